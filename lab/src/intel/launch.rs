//! A launch as dstack runs it: image documents, machine, boot log, runtime events, MRCONFIGID.

#![expect(
    clippy::expect_used,
    reason = "the lab measures what it made itself, so a failure is a mistake in the lab or the test"
)]

use ciborium::Value;
use evidence_tdx::launch::{
    AcpiDigests, AddPages, FirmwareMeasurement, ImageMeasurement, LaunchInputs, LaunchLog, Machine,
    TdHobWitness, measure,
};
use sha3::{Digest as _, Keccak256};

use crate::amd::guest::{MR_CONFIG_DOMAIN, mr_config};
pub use crate::events::Event;
use crate::events::launch_events;
use crate::keys::{p256_spki, sha256, sha384};

/// A TD HOB witness, LEB128 in pages of 4 KiB: the base 0x809, the HOB at the base, and two ranges from the base
/// on: 0 and 7, of 2 and 16 pages.
const TD_HOB: [u8; 8] = [0x89, 0x10, 0, 2, 0, 2, 7, 16];

/// `measurement.tdx.cbor`, version 3, before it is encoded. Digests are SHA-384, 48 bytes.
#[derive(Debug, Clone)]
pub struct Image {
    /// 3.
    pub version: u64,
    /// Of the command line as the kernel measures it.
    pub cmdline_sha384: [u8; 48],
    /// Authenticode of the kernel.
    pub kernel_authenticode: [u8; 48],
    /// Of the initrd.
    pub initrd_sha384: [u8; 48],
    /// The firmware's variant.
    pub ovmf: String,
    /// MRTD, if each page is measured as it is added.
    pub mrtd_single_pass: [u8; 48],
    /// MRTD, if a section's pages are measured after all of them were added.
    pub mrtd_two_pass: [u8; 48],
    /// The TD HOB witness.
    pub td_hob: Vec<u8>,
}

/// What MRCONFIGID commits to, in dstack's forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigId {
    /// Zeros: nothing.
    Unset,
    /// The composition.
    V1,
    /// Composition, application, kind of the key provider and its id.
    V2,
    /// [`Launch::mr_config`].
    V3,
}

/// An event of the boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEvent {
    /// 0 to 2: RTMR0 to RTMR2.
    pub rtmr: u8,
    /// What is measured.
    pub name: &'static str,
    /// SHA-384, 48 bytes.
    pub digest: [u8; 48],
}

/// A launch of dstack. [`Self::measurement_cbor`] and [`Self::checksum_file`] follow [`Self::image`] by
/// [`Self::seal_image`]; the registers follow all of it by [`super::TdGuest::seal_launch`].
#[derive(Debug, Clone)]
pub struct Launch {
    /// What the image fixes.
    pub image: Image,
    /// `measurement.tdx.cbor`.
    pub measurement_cbor: Vec<u8>,
    /// `sha256sum.txt`.
    pub checksum_file: Vec<u8>,
    /// Bytes of the guest's memory.
    pub memory_size: u64,
    /// Whether the VMM added all pages of a section before it measured them.
    pub two_pass: bool,
    /// The VMM's ACPI tables.
    pub acpi: AcpiDigests,
    /// The events of the boot, made by [`super::TdGuest::seal_launch`].
    pub boot_log: Vec<BootEvent>,
    /// The events after the boot, in dstack's order, with one of the application behind `system-ready`.
    pub events: Vec<Event>,
    /// The form of MRCONFIGID.
    pub config_id: ConfigId,
    /// The identity document (`MrConfigV3`), JSON text whose exact bytes the third form commits to.
    pub mr_config: String,
}

impl Default for Launch {
    fn default() -> Self {
        Self::new()
    }
}

impl Launch {
    /// A guest with 4 GiB of memory whose pages were added one by one, key provider `kms`, MRCONFIGID of the third
    /// form. The application id is the first 20 bytes of the compose hash.
    #[must_use]
    pub fn new() -> Self {
        let (app_compose, kms_root) = (b"lab app compose", p256_spki("kms root"));
        let mut launch = Self {
            image: Image {
                version: 3,
                cmdline_sha384: sha384(b"lab command line"),
                kernel_authenticode: sha384(b"lab kernel"),
                initrd_sha384: sha384(b"lab initrd"),
                ovmf: "pre202505".to_owned(),
                mrtd_single_pass: sha384(b"lab firmware, page by page"),
                mrtd_two_pass: sha384(b"lab firmware, in two passes"),
                td_hob: TD_HOB.to_vec(),
            },
            measurement_cbor: Vec::new(),
            checksum_file: Vec::new(),
            memory_size: 4 << 30,
            two_pass: false,
            acpi: AcpiDigests {
                loader: sha384(b"lab table-loader"),
                rsdp: sha384(b"lab rsdp"),
                tables: sha384(b"lab tables"),
            },
            boot_log: Vec::new(),
            events: launch_events(app_compose, &kms_root),
            config_id: ConfigId::V3,
            mr_config: mr_config(app_compose, &kms_root),
        };
        launch.seal_image();
        launch
    }

    /// Makes `measurement.tdx.cbor` and `sha256sum.txt` again from [`Self::image`].
    ///
    /// # Panics
    ///
    /// Never: writing to memory does not fail.
    pub fn seal_image(&mut self) {
        let Image { version, ovmf, td_hob, .. } = &self.image;
        let digest = |digest: [u8; 48]| Value::Bytes(digest.to_vec());
        let image = map([
            ("cmdline_sha384", digest(self.image.cmdline_sha384)),
            ("kernel_authenticode", digest(self.image.kernel_authenticode)),
            ("initrd_sha384", digest(self.image.initrd_sha384)),
        ]);
        let mrtd = map([
            ("single_pass", digest(self.image.mrtd_single_pass)),
            ("two_pass", digest(self.image.mrtd_two_pass)),
        ]);
        let tdvf = map([
            ("ovmf", Value::Text(ovmf.clone())),
            ("mrtd", mrtd),
            ("td_hob", Value::Bytes(td_hob.clone())),
        ]);
        let document =
            map([("version", Value::Integer((*version).into())), ("image", image), ("tdvf", tdvf)]);
        self.measurement_cbor.clear();
        ciborium::into_writer(&document, &mut self.measurement_cbor).expect("writing to memory");
        let files: [(&str, &[u8]); 2] =
            [("ovmf.fd", b"lab firmware"), ("measurement.tdx.cbor", &self.measurement_cbor)];
        let lines = files.map(|(name, bytes)| format!("{}  {name}\n", hex::encode(sha256(bytes))));
        self.checksum_file = lines.concat().into_bytes();
    }

    /// `os_image_hash`: SHA-256 of `sha256sum.txt`.
    #[must_use]
    pub fn os_image_hash(&self) -> [u8; 32] {
        sha256(&self.checksum_file)
    }

    /// Writes the boot log; gives MRTD and RTMR0 to RTMR2.
    pub(super) fn boot(&mut self) -> [[u8; 48]; 4] {
        let inputs = self.inputs();
        let log = LaunchLog::of(&inputs).expect("a launch that can be measured");
        let of = |rtmr, events: &[evidence_tdx::launch::LaunchEvent]| {
            let event = |event: &evidence_tdx::launch::LaunchEvent| BootEvent {
                rtmr,
                name: event.name,
                digest: event.digest,
            };
            events.iter().map(event).collect::<Vec<_>>()
        };
        self.boot_log = [of(0, &log.rtmr0), of(1, &log.rtmr1), of(2, &log.rtmr2)].concat();
        let measured = measure(&inputs).expect("a launch that can be measured");
        [measured.mrtd, measured.rtmr0, measured.rtmr1, measured.rtmr2]
    }

    fn inputs(&self) -> LaunchInputs {
        let image = &self.image;
        LaunchInputs {
            firmware: FirmwareMeasurement {
                variant: image.ovmf.parse().expect("a known variant"),
                mrtd_two_pass: image.mrtd_two_pass,
                mrtd_single_pass: image.mrtd_single_pass,
                td_hob: TdHobWitness::parse(&image.td_hob).expect("a sound witness"),
            },
            image: ImageMeasurement {
                kernel_authenticode: image.kernel_authenticode,
                cmdline_sha384: image.cmdline_sha384,
                initrd_sha384: image.initrd_sha384,
            },
            machine: Machine {
                memory_size: self.memory_size,
                add_pages: if self.two_pass { AddPages::TwoPass } else { AddPages::SinglePass },
            },
            acpi: self.acpi,
        }
    }

    /// RTMR3 after [`Self::events`].
    #[must_use]
    pub fn rtmr3(&self) -> [u8; 48] {
        self.events.iter().fold([0; 48], |value, event| sha384(&[value, event.sha384()].concat()))
    }

    /// The event with this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn event(&mut self, name: &str) -> &mut Event {
        self.events.iter_mut().find(|event| event.name == name).expect("an event of the launch")
    }

    /// Removes the event with this name.
    pub fn remove_event(&mut self, name: &str) {
        self.events.retain(|event| event.name != name);
    }

    /// MRCONFIGID, 48 bytes, in the form of [`Self::config_id`], for what the events say.
    #[must_use]
    pub fn mr_config_id(&self) -> [u8; 48] {
        let payload = |name| {
            self.events.iter().find(|event| event.name == name).map_or(&[][..], |event| &event.payload)
        };
        let (form, hash) = match self.config_id {
            ConfigId::Unset => return [0; 48],
            ConfigId::V1 => (1, payload("compose-hash").to_vec()),
            ConfigId::V2 => {
                let mut hasher = Keccak256::new();
                hasher.update(payload("compose-hash"));
                hasher.update(payload("app-id"));
                // 2 is the KMS.
                hasher.update([2]);
                hasher.update(p256_spki("kms root"));
                (2, hasher.finalize().to_vec())
            }
            ConfigId::V3 => {
                let document = [MR_CONFIG_DOMAIN.as_bytes(), b"\0", self.mr_config.as_bytes()].concat();
                (3, sha256(&document).to_vec())
            }
        };
        let mut id = [0; 48];
        id.iter_mut().zip(core::iter::once(form).chain(hash)).for_each(|(to, from)| *to = from);
        id
    }

    /// The boot log as the firmware leaves it in memory: a TCG crypto-agile log with SHA-384 digests, and 64 bytes
    /// of padding. Register 0 is MRTD there, and 1 to 3 are RTMR0 to RTMR2.
    #[must_use]
    pub fn ccel(&self) -> Vec<u8> {
        // TCG_EfiSpecIdEvent: client, version 2.0, errata 0x69 (1.05), UINTN of 8 bytes; SHA-384 of 48 bytes.
        let id = [
            &b"Spec ID Event03\0"[..],
            &[0, 0, 0, 0, 0, 2, 0x69, 2],
            &1_u32.to_le_bytes(),
            &[0x0C, 0, 48, 0],
            &[0],
        ]
        .concat();
        // EV_NO_ACTION in register 0, with a digest of 20 zeros.
        let mut log = [&0_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), &[0; 20], &sized(&id)].concat();
        for BootEvent { rtmr, name, digest } in &self.boot_log {
            // EV_SEPARATOR, EV_PLATFORM_CONFIG_FLAGS, EV_EVENT_TAG.
            let (kind, data): (u32, &[u8]) = match *name {
                "separator" => (4, &[0; 4]),
                "acpi-loader" | "acpi-rsdp" | "acpi-tables" => (10, b"ACPI DATA"),
                name => (6, name.as_bytes()),
            };
            log.extend(u32::from(*rtmr).saturating_add(1).to_le_bytes());
            log.extend(kind.to_le_bytes());
            log.extend(1_u32.to_le_bytes());
            log.extend([0x0C, 0]);
            log.extend(digest);
            log.extend(sized(data));
        }
        log.extend([0xFF; 64]);
        log
    }
}

/// A length of 32 bits, and the bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("short data").to_le_bytes();
    [&length[..], bytes].concat()
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.map(|(key, value)| (Value::Text(key.to_owned()), value)).into())
}
