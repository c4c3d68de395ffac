//! A whole bare-metal guest as dstack runs it: image, launch, identity document, certificates, report.

#![expect(
    clippy::expect_used,
    reason = "the lab measures what it made itself, so a failure is a mistake in the lab or the test"
)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ciborium::Value;
use evidence_snp::launch::{Firmware, KernelHashes, LaunchInputs, Vmm, measure};
use serde_json::json;

use super::{CertTable, FirmwareSpec, Hierarchy, Product, ReportSpec, Vek, VekKind, VekSpec, crl_spec};
use crate::keys::{p256_spki, sha256};

/// What the identity document's digest in HOST_DATA starts with; a zero byte and the document follow.
pub const MR_CONFIG_DOMAIN: &str = "dstack-mr-config-v3:";

/// A bare-metal guest. Its parts agree with each other when it is made. A test then changes one field, and calls
/// [`Self::seal_image`], [`Self::seal_launch`] or [`Self::issue_vek`] for those of the derived parts that shall follow.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The processor's product line.
    pub product: Product,
    /// `ovmf.fd`.
    pub firmware: Vec<u8>,
    /// `bzImage`.
    pub kernel: Vec<u8>,
    /// `initramfs.cpio.gz`.
    pub initrd: Vec<u8>,
    /// The kernel's command line, without NUL, with `dstack.rootfs_hash`.
    pub cmdline: String,
    /// Number of vCPUs.
    pub vcpus: u32,
    /// QEMU's name of the vCPU model.
    pub vcpu_type: String,
    /// `SEV_FEATURES`.
    pub guest_features: u64,
    /// The identity document (`MrConfigV3`), JSON text whose exact bytes HOST_DATA commits to.
    pub mr_config: String,
    /// `measurement.snp.cbor`, made by [`Self::seal_image`].
    pub measurement_cbor: Vec<u8>,
    /// `sha256sum.txt`, made by [`Self::seal_image`].
    pub checksum_file: Vec<u8>,
    /// The certificate authorities.
    pub hierarchy: Hierarchy,
    /// What [`Self::vek`] was issued from.
    pub vek_spec: VekSpec,
    /// The VCEK, made by [`Self::issue_vek`].
    pub vek: Vek,
    /// The report's fields; measurement and host data are made by [`Self::seal_launch`], the report data by
    /// [`Self::report_for`].
    pub report: ReportSpec,
}

impl Guest {
    /// A guest on `product`: report version 3 on Milan and Genoa and 5 on Turin, 2 vCPUs, kernel and initrd booted
    /// directly, an image of 64 KiB, key provider `kms`.
    #[must_use]
    pub fn new(product: Product) -> Self {
        let hierarchy = Hierarchy::new(product);
        let vek_spec = VekSpec::vcek(product);
        let mut guest = Self {
            product,
            firmware: FirmwareSpec::default().bytes(),
            kernel: b"lab kernel".to_vec(),
            initrd: b"lab initrd".to_vec(),
            cmdline: format!(
                "console=ttyS0 panic=1 dstack.rootfs_hash={}",
                hex::encode(sha256(b"lab rootfs"))
            ),
            vcpus: 2,
            vcpu_type: "EPYC-v4".to_owned(),
            guest_features: 1,
            mr_config: mr_config(b"lab app compose", &p256_spki("kms root")),
            measurement_cbor: Vec::new(),
            checksum_file: Vec::new(),
            vek: vek_spec.issue(&hierarchy),
            vek_spec,
            hierarchy,
            report: ReportSpec::new(product, if product == Product::Turin { 5 } else { 3 }),
        };
        guest.seal_image();
        guest.seal_launch();
        guest
    }

    /// Makes `measurement.snp.cbor` and `sha256sum.txt` again from firmware, kernel, initrd and command line.
    ///
    /// # Panics
    ///
    /// If the firmware is no sound image.
    pub fn seal_image(&mut self) {
        self.measurement_cbor = self.make_measurement_cbor();
        self.checksum_file = self.make_checksum_file();
    }

    /// Sets the report's MEASUREMENT and HOST_DATA again from the launch and the identity document.
    ///
    /// # Panics
    ///
    /// As [`Self::measurement`].
    pub fn seal_launch(&mut self) {
        self.report.measurement = self.measurement();
        self.report.host_data = self.host_data();
    }

    /// Issues the VCEK again from [`Self::vek_spec`].
    pub fn issue_vek(&mut self) {
        self.vek = self.vek_spec.issue(&self.hierarchy);
    }

    /// The signed report that commits to `challenge` in REPORT_DATA, 1184 bytes.
    #[must_use]
    pub fn report_for(&self, challenge: &[u8; 64]) -> Vec<u8> {
        ReportSpec { report_data: *challenge, ..self.report.clone() }.sign(&self.vek)
    }

    /// The launch measurement of firmware, kernel, initrd, command line and vCPUs under QEMU.
    ///
    /// # Panics
    ///
    /// If `evidence_snp` refuses one of them.
    #[must_use]
    pub fn measurement(&self) -> [u8; 48] {
        let inputs = LaunchInputs {
            firmware: &self.measured_firmware(),
            kernel: Some(KernelHashes::from_parts(&self.kernel, Some(&self.initrd), self.cmdline.as_bytes())),
            vcpus: self.vcpus,
            vcpu_type: self.vcpu_type.parse().expect("a vCPU model of QEMU"),
            guest_features: self.guest_features,
            vmm: Vmm::Qemu,
        };
        measure(&inputs).expect("a launch that can be measured").0
    }

    /// SHA-256 of the identity document under its domain: what the host puts into HOST_DATA.
    #[must_use]
    pub fn host_data(&self) -> [u8; 32] {
        sha256(&[MR_CONFIG_DOMAIN.as_bytes(), b"\0", self.mr_config.as_bytes()].concat())
    }

    /// `os_image_hash`: SHA-256 of `sha256sum.txt`.
    #[must_use]
    pub fn os_image_hash(&self) -> [u8; 32] {
        sha256(&self.checksum_file)
    }

    /// The VCEK, ASK and ARK, DER-encoded, in this order.
    #[must_use]
    pub fn chain(&self) -> Vec<Vec<u8>> {
        vec![self.vek.der.clone(), self.hierarchy.ask().to_vec(), self.hierarchy.ark().to_vec()]
    }

    /// The host's certificate table with the same certificates.
    #[must_use]
    pub fn cert_table(&self) -> Vec<u8> {
        CertTable::chain(&self.hierarchy, &self.vek, VekKind::Vcek).bytes()
    }

    /// The CRL of the product line, in which nothing is revoked, DER-encoded.
    #[must_use]
    pub fn crl(&self) -> Vec<u8> {
        crl_spec(&self.hierarchy).sign(self.hierarchy.ark_key())
    }

    /// The string `sev_snp_measurement` of dstack's `vm_config`: JSON with the two image documents in base64 and the
    /// launch parameters.
    #[must_use]
    pub fn sev_snp_measurement(&self) -> String {
        json!({
            "checksum_file": BASE64_STANDARD.encode(&self.checksum_file),
            "measurement": BASE64_STANDARD.encode(&self.measurement_cbor),
            "vcpus": self.vcpus,
            "vcpu_type": self.vcpu_type,
            "guest_features": self.guest_features,
        })
        .to_string()
    }

    fn measured_firmware(&self) -> Firmware {
        Firmware::measure(&self.firmware).expect("a sound firmware image")
    }

    /// Version 3 of dstack's measurement document: a CBOR map (RFC 8949) in this order of keys.
    fn make_measurement_cbor(&self) -> Vec<u8> {
        let firmware = self.measured_firmware();
        let metadata = firmware.metadata();
        let number = |value: u32| Value::Integer(value.into());
        let sections = metadata.sections.iter().map(|section| {
            map([
                ("gpa", number(section.gpa)),
                ("size", number(section.size)),
                ("type", number(section.kind.into())),
            ])
        });
        let document = map([
            ("version", number(3)),
            ("cmdline", Value::Text(self.cmdline.clone())),
            ("ovmf_hash", Value::Bytes(firmware.digest().to_vec())),
            ("kernel_hash", Value::Bytes(sha256(&self.kernel).to_vec())),
            ("initrd_hash", Value::Bytes(sha256(&self.initrd).to_vec())),
            ("hashes_table_gpa", number(metadata.hashes_table_gpa.unwrap_or(0))),
            ("reset_eip", number(metadata.reset_eip)),
            ("ovmf_sections", Value::Array(sections.collect())),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&document, &mut bytes).expect("writing to memory");
        bytes
    }

    /// Lines of `<hexadecimal SHA-256>  <file name>`, as coreutils' `sha256sum` writes them.
    fn make_checksum_file(&self) -> Vec<u8> {
        let files: [(&str, &[u8]); 4] = [
            ("ovmf.fd", &self.firmware),
            ("bzImage", &self.kernel),
            ("initramfs.cpio.gz", &self.initrd),
            ("measurement.snp.cbor", &self.measurement_cbor),
        ];
        let lines = files.map(|(name, bytes)| format!("{}  {name}\n", hex::encode(sha256(bytes))));
        lines.concat().into_bytes()
    }
}

/// A canonical identity document (RFC 8785): the application identity is the first 20 bytes of the compose hash, and
/// the key provider is the KMS with the given root public key (SubjectPublicKeyInfo).
#[must_use]
pub fn mr_config(app_compose: &[u8], kms_root_spki: &[u8]) -> String {
    let compose_hash = sha256(app_compose);
    let short = |hash: [u8; 32]| hash.iter().take(20).copied().collect::<Vec<_>>();
    json!({
        "app_id": hex::encode(short(compose_hash)),
        "compose_hash": hex::encode(compose_hash),
        "instance_id": hex::encode(short(sha256(&compose_hash))),
        "key_provider": "kms",
        "key_provider_id": hex::encode(kms_root_spki),
        "version": 3,
    })
    .to_string()
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.map(|(key, value)| (Value::Text(key.to_owned()), value)).into())
}
