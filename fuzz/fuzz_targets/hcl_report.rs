//! A report of Azure's paravisor, and the TD report in it beside a quote.
#![no_main]

use std::{ops::Range, sync::LazyLock};

use backend_azure::{Tee, hcl::HclReport, td_report::TdReportStruct};
use evidence_tdx::{Quote, TdReport};
use fuzz_targets::{azure::TDX, lies_in};
use libfuzzer_sys::fuzz_target;

/// What a quote of version 4 repeats of a TD report: everything but its header, the platform's, and MRSERVICETD.
const REPEATED: [Range<usize>; 3] = [128..192, 264..384, 512..912];

static QUOTED: LazyLock<TdReport> = LazyLock::new(|| {
    let quote = TDX.td_quote.as_ref().expect("a TD has a quote");
    Quote::parse(quote).expect("a sound quote").report
});

fuzz_target!(|data: &[u8]| {
    let Ok(hcl) = HclReport::parse(data) else { return };
    let padding = data.strip_prefix(hcl.without_padding).expect("padding follows the report");
    assert!(padding.iter().all(|byte| *byte == 0));
    for part in [hcl.hardware_report, hcl.runtime_data, hcl.without_padding] {
        assert!(lies_in(part, data), "what is read lies in the report");
    }
    let word = |at: usize| u32::from_le_bytes(data[at..][..4].try_into().expect("4 bytes"));
    let length = usize::try_from(word(1232)).expect("a length");
    assert_eq!(hcl.runtime_data, &data[1236..][..length]);
    assert_eq!(hcl.hardware_report, &data[32..1216]);
    assert_eq!(
        [hcl.version, hcl.request_type, hcl.report_type, hcl.hash_type],
        [4, 12, 1224, 1228].map(word)
    );
    assert_eq!(hcl.is_sha256(), word(1228) == 1);
    let tee = match word(1224) {
        2 => Some(Tee::Snp),
        4 => Some(Tee::Tdx),
        _ => None,
    };
    assert_eq!(hcl.tee(), tee);
    let again = HclReport::parse(hcl.without_padding).expect("padding says nothing");
    assert_eq!((again.without_padding, again.runtime_data), (hcl.without_padding, hcl.runtime_data));

    let Ok(report) = TdReportStruct::parse(hcl.hardware_report) else { return };
    assert_eq!(report.bytes(), &data[32..1056]);
    assert!(data[1056..1216].iter().all(|byte| *byte == 0) && data[32] == 0x81);
    let lab = &HclReport::parse(&TDX.hcl_report).expect("a sound report").hardware_report[..];
    let same = |range: Range<usize>| report.bytes()[range.clone()] == lab[range];
    assert_eq!(report.is_quoted(&QUOTED).is_ok(), REPEATED.into_iter().all(same), "each field is compared");
});
