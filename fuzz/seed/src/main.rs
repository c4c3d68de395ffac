//! Writes the seed corpus of every fuzz target, forged by the lab: `seed DIRECTORY`.

mod amd;
mod aws;
mod azure;
mod dstack;
mod google;
mod intel;
mod nvidia;
mod ocsp;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use backend_api::{Envelope, Evidence};
use backend_baremetal_snp::MEDIA_TYPE;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lab::{
    amd::{Guest, Product},
    intel::TdGuest,
};

type Seeds = Vec<(String, Vec<u8>)>;

fn main() -> io::Result<()> {
    let Some(root) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: seed DIRECTORY"));
    };
    let (guest, td) = (Guest::new(Product::Milan), TdGuest::new());
    for (target, seeds) in [
        ("ak_certificate", azure::ak_certificates()),
        ("aws_payload", aws::payloads()),
        ("azure_payload", azure::payloads()),
        ("certificate", [amd::certificates(), intel::certificates()].concat()),
        ("certificate_table", amd::certificate_tables()),
        ("dstack_documents", dstack::documents(&guest)),
        ("dstack_wire", dstack::wire(&guest)),
        ("envelope", envelopes()),
        ("event_log", [intel::event_logs(&td), azure::event_logs()].concat()),
        ("gce_endorsement", google::endorsements()),
        ("gce_instance", google::instances()),
        ("gcp_payload", google::payloads()),
        ("hcl_report", azure::hcl_reports()),
        ("nitro_document", aws::documents()),
        ("nvidia_payload", nvidia::payloads()),
        ("ocsp_response", ocsp::responses()),
        ("ovmf", amd::firmware()),
        ("policy", policies()),
        ("quote", intel::quotes()),
        ("report", amd::reports()),
        ("revocation_list", [amd::revocation_lists(), intel::revocation_lists(&td)].concat()),
        ("rim", nvidia::rims()),
        ("runtime_data", azure::runtime_data()),
        ("runtime_log", intel::runtime_logs(&td)),
        ("snp_payload", amd::payloads(&guest)),
        ("spdm_report", nvidia::reports()),
        ("tdx_collateral", intel::collateral(&td)),
        ("tdx_guest", intel::surroundings(&td)),
        ("tdx_launch", intel::launches(&td)),
        ("tdx_payload", intel::payloads(&td)),
        ("tpms_attest", azure::quotes()),
        ("tpmt_public", azure::publics()),
        ("xml_c14n", nvidia::documents()),
    ] {
        write(&root.join(target), seeds)?;
    }
    Ok(())
}

fn write(folder: &Path, seeds: Seeds) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds.into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn envelopes() -> Seeds {
    let cpu = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, b"cpu".to_vec()));
    let device = Evidence::new(MEDIA_TYPE, b"device".to_vec());
    let composite = Envelope { devices: vec![device.clone(), device], ..cpu.clone() };
    let forms = |name: &str, envelope: &Envelope| {
        [
            (format!("{name}.cbor"), envelope.encode_cbor()),
            (format!("{name}.json"), envelope.encode_json().into()),
        ]
    };
    [forms("cpu", &cpu), forms("composite", &composite)].concat()
}

fn policies() -> Seeds {
    let minimal = "version = 1\n";
    let full = r#"version = 1
require-checks = ["crl-current"]
accept-tcb-status = ["UpToDate"]
danger-accept-asserted = true

[reference-values]
measurements = ["7f51"]
os-image-hash = ["f69c"]

[backend.baremetal-snp.launch]
danger-accept-unmeasured-rootfs = true

[backend.baremetal-snp.report]
vmpl = 0
minimum-tcb.milan = { bootloader = 4, tee = 0, snp = 23, microcode = 213 }
minimum-firmware = [1, 55, 0]
require-guest-policy = ["single-socket"]
forbid-platform-info = ["smt"]
require-mitigations = 1
minimum-guest-svn = 1
danger-accept-unknown-revocation = true
"#;
    let tdx = r#"version = 1

[reference-values]
mr-system = ["ebf2"]

[backend.tdx.quote]
accept-tcb-status = ["UpToDate", "OutOfDate"]
grace-period-days = 30
minimum-tcb-evaluation = 17
minimum-tcb-date = "2025-08-13"
reject-advisories = ["INTEL-SA-01245"]
allow-attributes = ["perfmon", "key-locker"]
reject-platforms = ["cached-keys", "smt"]
DIGESTS
[backend.tdx.launch]
phase = "booting"
mr-config-id-forms = [2, 3]
rtmr0 = ["DIGEST"]
rtmr1 = ["DIGEST"]
rtmr2 = ["DIGEST"]
"#;
    let azure = r#"version = 1
danger-accept-asserted = true

[backend.azure]
danger-accept-unendorsed-ak = true

[backend.azure.report]
id-keys = ["DIGEST"]

[backend.azure.td-quote]
accept-tcb-status = ["OutOfDate"]

[backend.azure.vm-configuration]
require-secure-boot = true
tpm-persisted = false

[backend.azure.launch]
phase = "ready"

[[backend.azure.launch.images]]
os-image-hash = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"

[backend.azure.launch.images.pcrs]
4 = ["5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"]
9 = { events = ["gpt", "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"] }
11 = { events = [] }

[backend.azure.raw]
pcrs = [0, 4, 7]
"#;
    let aws = r#"version = 1
danger-accept-asserted = true

[backend.aws]
regions = ["us-east-2"]
danger-accept-no-tee = true
danger-accept-no-document = true

[backend.aws.report]
host-data = ["5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"]

[backend.aws.document]
max-age = 60
max-skew = 0

[backend.aws.launch]
config = ["DIGEST"]
phase = "ready"

[[backend.aws.launch.measurements]]
measurement = "DIGEST"
firmware = "lab"
vcpus = 2

[[backend.aws.launch.images]]
[backend.aws.launch.images.pcrs]
2 = ["DIGEST"]
4 = ["DIGEST"]
7 = ["DIGEST"]
9 = { events = ["gpt", "DIGEST"] }
11 = { events = [] }

[backend.aws.raw]
challenge = "nonce"
user-data = "5e"
"#;
    let aws = aws.replace("DIGEST", &"5e".repeat(48));
    let digests = ["modules", "service-tds", "mr-config-ids", "mr-owners", "mr-owner-configs"];
    let digests: String = digests.iter().map(|key| format!("{key} = [\"DIGEST\"]\n")).collect();
    let tdx = tdx.replace("DIGESTS", &digests).replace("DIGEST", &"5e".repeat(48));
    let azure = azure.replace("DIGEST", &"5e".repeat(48));
    [("minimal", minimal), ("full", full), ("tdx", &tdx), ("azure", &azure), ("aws", &aws)]
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into()
}
