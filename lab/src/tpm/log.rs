//! A boot: what firmware and boot loader extend, and their log of it.

#![expect(clippy::expect_used, reason = "the lab encodes what it made itself")]

use super::alg;
use crate::keys::{sha1, sha256, sha384};

/// Event types (Platform Firmware Profile, table 9).
pub mod event_type {
    /// EV_NO_ACTION.
    pub const NO_ACTION: u32 = 0x3;
    /// EV_SEPARATOR.
    pub const SEPARATOR: u32 = 0x4;
    /// EV_EVENT_TAG.
    pub const EVENT_TAG: u32 = 0x6;
    /// EV_S_CRTM_VERSION.
    pub const S_CRTM_VERSION: u32 = 0x8;
    /// EV_IPL.
    pub const IPL: u32 = 0xD;
    /// EV_NONHOST_INFO.
    pub const NONHOST_INFO: u32 = 0x11;
    /// EV_EFI_VARIABLE_DRIVER_CONFIG.
    pub const VARIABLE_DRIVER_CONFIG: u32 = 0x8000_0001;
    /// EV_EFI_BOOT_SERVICES_APPLICATION.
    pub const BOOT_SERVICES_APPLICATION: u32 = 0x8000_0003;
    /// EV_EFI_GPT_EVENT.
    pub const GPT: u32 = 0x8000_0006;
    /// EV_EFI_ACTION.
    pub const ACTION: u32 = 0x8000_0007;
}

/// One event: what is logged, and what is hashed where that is something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEvent {
    /// The register.
    pub pcr: u32,
    /// TCG event type.
    pub event_type: u32,
    /// What is logged beside the digests.
    pub data: Vec<u8>,
    /// What is hashed: the data, unless it is named.
    pub measured: Option<Vec<u8>>,
}

impl BootEvent {
    /// An event whose data are hashed.
    #[must_use]
    pub fn new(pcr: u32, event_type: u32, data: &[u8]) -> Self {
        Self { pcr, event_type, data: data.to_vec(), measured: None }
    }

    /// An event of which something else is hashed than what is logged.
    #[must_use]
    pub fn measuring(pcr: u32, event_type: u32, data: &[u8], measured: &[u8]) -> Self {
        Self { measured: Some(measured.to_vec()), ..Self::new(pcr, event_type, data) }
    }

    /// The bytes whose hashes are extended.
    #[must_use]
    pub fn measured(&self) -> &[u8] {
        self.measured.as_deref().unwrap_or(&self.data)
    }
}

/// The events of a boot, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootLog {
    /// The events.
    pub events: Vec<BootEvent>,
}

impl Default for BootLog {
    fn default() -> Self {
        Self::new()
    }
}

impl BootLog {
    /// A boot of a unified kernel image from a disk, as UEFI, systemd-stub and the kernel measure it.
    #[must_use]
    pub fn new() -> Self {
        use event_type as kind;
        let (event, image) = (BootEvent::new, BootEvent::measuring);
        let mut events = vec![
            event(0, kind::S_CRTM_VERSION, b"lab firmware v1\0"),
            event(7, kind::VARIABLE_DRIVER_CONFIG, b"SecureBoot: off"),
            event(4, kind::ACTION, b"Calling EFI Application from Boot Option"),
        ];
        events.extend((0..8).map(|pcr| event(pcr, kind::SEPARATOR, &[0; 4])));
        events.extend([
            event(5, kind::GPT, &partition_table()),
            image(
                4,
                kind::BOOT_SERVICES_APPLICATION,
                b"\\EFI\\BOOT\\BOOTX64.EFI",
                b"lab unified kernel image",
            ),
            event(11, kind::IPL, b".linux"),
            image(11, kind::IPL, b".linux contents", b"lab kernel"),
            image(9, kind::EVENT_TAG, b"LOADED_IMAGE::LoadOptions", b"lab command line"),
            image(9, kind::EVENT_TAG, b"Linux initrd", b"lab initrd"),
        ]);
        Self { events }
    }

    /// The digests that `pcr` is extended with, SHA-256.
    #[must_use]
    pub fn digests(&self, pcr: u32) -> Vec<[u8; 32]> {
        self.measured(pcr).map(sha256).collect()
    }

    /// The bytes whose hashes `pcr` is extended with.
    fn measured(&self, pcr: u32) -> impl Iterator<Item = &[u8]> {
        let of_pcr = self
            .events
            .iter()
            .filter(move |event| event.pcr == pcr && event.event_type != event_type::NO_ACTION);
        of_pcr.map(BootEvent::measured)
    }

    /// The value of `pcr` after the boot, SHA-256.
    #[must_use]
    pub fn pcr(&self, pcr: u32) -> [u8; 32] {
        let digests = self.digests(pcr).into_iter();
        digests.fold([0; 32], |value, digest| sha256(&[value, digest].concat()))
    }

    /// The value of `pcr` after the boot, SHA-384.
    #[must_use]
    pub fn pcr_sha384(&self, pcr: u32) -> [u8; 48] {
        let digests = self.measured(pcr).map(sha384);
        digests.fold([0; 48], |value, digest| sha384(&[value, digest].concat()))
    }

    /// The log as firmware hands it out (TCG_PCR_EVENT2, digests SHA-1, SHA-256 and SHA-384).
    ///
    /// # Panics
    ///
    /// If an event is longer than its length can say.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let banks = [(alg::SHA1, 20_u16), (alg::SHA256, 32), (alg::SHA384, 48)];
        let mut spec_id = b"Spec ID Event03\0\0\0\0\0\0\x02\0\x02".to_vec();
        spec_id.extend(3_u32.to_le_bytes());
        for (algorithm, size) in banks {
            spec_id.extend([algorithm.to_le_bytes(), size.to_le_bytes()].concat());
        }
        spec_id.push(0);
        let mut log = [0_u32.to_le_bytes(), event_type::NO_ACTION.to_le_bytes()].concat();
        log.extend([0; 20]);
        log.extend(sized(&spec_id));
        for event in &self.events {
            let measured = event.measured();
            let digests: [(u16, Vec<u8>); 3] = [
                (alg::SHA1, sha1(measured).to_vec()),
                (alg::SHA256, sha256(measured).to_vec()),
                (alg::SHA384, sha384(measured).to_vec()),
            ];
            log.extend(
                [event.pcr.to_le_bytes(), event.event_type.to_le_bytes(), 3_u32.to_le_bytes()].concat(),
            );
            for (algorithm, digest) in digests {
                log.extend(algorithm.to_le_bytes());
                log.extend(digest);
            }
            log.extend(sized(&event.data));
        }
        log
    }
}

/// UEFI_GPT_DATA of a disk with two partitions (Platform Firmware Profile, §10.2.5).
#[must_use]
pub fn partition_table() -> Vec<u8> {
    let mut table = b"EFI PART".to_vec();
    table.extend([0, 0, 1, 0]);
    table.extend(92_u32.to_le_bytes());
    table.resize(84, 0x5A);
    table.extend(128_u32.to_le_bytes());
    table.extend([0x5A; 4]);
    table.extend(2_u64.to_le_bytes());
    table.extend([0xA5; 256]);
    table
}

/// A length of 32 bits, little-endian, and the bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("short data").to_le_bytes();
    [&length[..], bytes].concat()
}
