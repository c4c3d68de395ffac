//! The documents that dstack's attestations carry: the first byte chooses one.
#![no_main]

use evidence_dstack::{
    boot_info::BootInfo,
    cmdline::CmdlineIdentity,
    image::{ChecksumFile, TDX_MEASUREMENT},
    mr_config::MrConfigV3,
    snp_measurement::SnpMeasurement,
    tdx_measurement::TdxMeasurement,
    vm_config::VmConfig,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, document)) = data.split_first() else { return };
    let text = std::str::from_utf8(document);
    match (choice, text) {
        (b'c', _) => drop(ChecksumFile::parse(document)),
        (b'm', _) => {
            if let Ok(measurement) = SnpMeasurement::parse(document) {
                assert_eq!(measurement.encode(), document, "the document has one encoding");
            }
        }
        (b'b', Ok(text)) => drop(BootInfo::parse(text)),
        (b'l', Ok(text)) => drop(CmdlineIdentity::parse(text)),
        (b'r', Ok(text)) => drop(MrConfigV3::parse(text)),
        (b'v', Ok(text)) => {
            let Some(launch) = VmConfig::parse(text).ok().and_then(|config| config.tdx_measurement) else {
                return;
            };
            let _ = launch.machine.two_pass_add_pages();
            if let Ok(checked) = launch.material.verify(TDX_MEASUREMENT, None) {
                let _ = TdxMeasurement::parse(checked.measurement());
            }
        }
        _ => {}
    }
});
