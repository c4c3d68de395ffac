//! TCB info and QE identity: the documents of Intel's Provisioning Certification Service, version 4.
//!
//! A field is what the JSON holds, in Intel's order. Numbers in hexadecimal and dates are text, so that a
//! document may hold what no parser accepts.

use core::time::Duration;

use der::DateTime;
use serde::Serialize;

use super::pck::PckSpec;
use super::quote::TD_QE_MR_SIGNER;
use crate::time::utc_day;

/// The date in `tcbDate` of levels that are up to date.
const RECENT: &str = "2025-05-14T00:00:00Z";
/// The date in `tcbDate` of levels that are out of date.
const PAST: &str = "2024-03-13T00:00:00Z";
/// The advisories of levels that are out of date.
const ADVISORIES: [&str; 2] = ["INTEL-SA-01036", "INTEL-SA-01099"];

/// A level: the least security versions, and what Intel says of a platform that has them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TcbLevel<T> {
    /// The security versions.
    pub tcb: T,
    /// The day of which Intel's statement is.
    pub tcb_date: String,
    /// Such as `UpToDate`, `SWHardeningNeeded`, `ConfigurationNeeded`, `OutOfDate` or `Revoked`.
    pub tcb_status: String,
    /// The advisories that apply; an empty list omits the field.
    #[serde(rename = "advisoryIDs", skip_serializing_if = "Vec::is_empty")]
    pub advisory_ids: Vec<String>,
}

impl<T> TcbLevel<T> {
    /// A level that is up to date.
    #[must_use]
    pub fn up_to_date(tcb: T) -> Self {
        Self { tcb, tcb_date: RECENT.to_owned(), tcb_status: "UpToDate".to_owned(), advisory_ids: Vec::new() }
    }

    /// A level that is out of date, with advisories.
    #[must_use]
    pub fn out_of_date(tcb: T) -> Self {
        Self {
            tcb,
            tcb_date: PAST.to_owned(),
            tcb_status: "OutOfDate".to_owned(),
            advisory_ids: ADVISORIES.map(str::to_owned).into(),
        }
    }
}

/// The security versions of a platform.
#[derive(Debug, Clone, Serialize)]
pub struct PlatformTcb {
    /// `sgxtcbcomponents`: 16, compared with the components of the PCK certificate.
    #[serde(rename = "sgxtcbcomponents")]
    pub sgx_components: Vec<Component>,
    /// `pcesvn`, compared with the PCK certificate's.
    #[serde(rename = "pcesvn")]
    pub pce_svn: u16,
    /// `tdxtcbcomponents`: 16, compared with TEE_TCB_SVN of the quote. An empty list omits the field, as for SGX.
    #[serde(rename = "tdxtcbcomponents", skip_serializing_if = "Vec::is_empty")]
    pub tdx_components: Vec<Component>,
}

/// A component of a TCB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// The security version.
    pub svn: u8,
    /// Who updates it, or absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What it is, or absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The security version of an enclave, or of a TDX module.
#[derive(Debug, Clone, Serialize)]
pub struct IsvTcb {
    /// `isvsvn`.
    #[serde(rename = "isvsvn")]
    pub isv_svn: u16,
}

/// `tdxModule`: who signs the TDX module, where TEE_TCB_SVN names no version of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TdxModule {
    /// MRSIGNERSEAM, 96 hexadecimal digits: zero for Intel.
    pub mrsigner: String,
    /// SEAMATTRIBUTES, 16 hexadecimal digits.
    pub attributes: String,
    /// The bits of SEAMATTRIBUTES that are compared.
    pub attributes_mask: String,
}

impl Default for TdxModule {
    /// Intel's module.
    fn default() -> Self {
        Self { mrsigner: "0".repeat(96), attributes: "0".repeat(16), attributes_mask: "F".repeat(16) }
    }
}

/// An entry of `tdxModuleIdentities`: one version of the TDX module.
#[derive(Debug, Clone, Serialize)]
pub struct TdxModuleIdentity {
    /// `TDX_` and byte 1 of TEE_TCB_SVN in two hexadecimal digits.
    pub id: String,
    /// Who signs this version.
    #[serde(flatten)]
    pub module: TdxModule,
    /// The levels of byte 0 of TEE_TCB_SVN, the highest first.
    #[serde(rename = "tcbLevels")]
    pub tcb_levels: Vec<TcbLevel<IsvTcb>>,
}

/// TCB info, version 3.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TcbInfo {
    /// `TDX`, or `SGX`.
    pub id: String,
    /// 3.
    pub version: u32,
    /// The time from which the document is good: `YYYY-MM-DDThh:mm:ssZ`.
    pub issue_date: String,
    /// The time until which the document is good.
    pub next_update: String,
    /// The FMSPC of the PCK certificate, 12 hexadecimal digits.
    pub fmspc: String,
    /// The PCE-ID of the PCK certificate, 4 hexadecimal digits.
    pub pce_id: String,
    /// 0: the components are compared one by one.
    pub tcb_type: u32,
    /// Rises with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// Absent for SGX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdx_module: Option<TdxModule>,
    /// An empty list omits the field, as for SGX.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tdx_module_identities: Vec<TdxModuleIdentity>,
    /// The levels, the highest first.
    pub tcb_levels: Vec<TcbLevel<PlatformTcb>>,
}

impl TcbInfo {
    /// TCB info of 2026-01-01, good for a year, under which the platform of `pck` is up to date, and would be
    /// out of date with lower security versions.
    #[must_use]
    pub fn of(pck: &PckSpec) -> Self {
        let lower = pck.components.map(|svn| svn.saturating_sub(1));
        let levels = |versions: &[u16]| {
            let mut levels: Vec<_> =
                versions.iter().map(|svn| TcbLevel::out_of_date(IsvTcb { isv_svn: *svn })).collect();
            if let Some(first) = levels.first_mut() {
                *first = TcbLevel::up_to_date(first.tcb.clone());
            }
            levels
        };
        let identity = |id: &str, versions: &[u16]| TdxModuleIdentity {
            id: id.to_owned(),
            module: TdxModule::default(),
            tcb_levels: levels(versions),
        };
        Self {
            id: "TDX".to_owned(),
            version: 3,
            issue_date: rfc3339(utc_day(2026, 1, 1)),
            next_update: rfc3339(utc_day(2027, 1, 1)),
            fmspc: hex::encode_upper(&pck.fmspc),
            pce_id: hex::encode_upper(&pck.pce_id),
            tcb_type: 0,
            tcb_evaluation_data_number: 19,
            tdx_module: Some(TdxModule::default()),
            tdx_module_identities: vec![identity("TDX_03", &[3]), identity("TDX_01", &[6, 4, 2])],
            tcb_levels: vec![
                TcbLevel::up_to_date(platform_tcb(pck.components, pck.pce_svn, [5, 0, 4])),
                TcbLevel::out_of_date(platform_tcb(lower, 5, [3, 0, 3])),
            ],
        }
    }

    /// Changes what the document says of the highest level, which is the lab's platform's.
    pub fn set_status(&mut self, status: &str, advisory_ids: &[&str]) {
        if let Some(level) = self.tcb_levels.first_mut() {
            level.tcb_status = status.to_owned();
            level.advisory_ids = advisory_ids.iter().map(|id| (*id).to_owned()).collect();
        }
    }
}

/// Security versions with Intel's names of the components on a Xeon with TDX; `tdx` gives those of the TDX
/// module, its version, and the late microcode update.
#[must_use]
pub fn platform_tcb(sgx: [u8; 16], pce_svn: u16, tdx: [u8; 3]) -> PlatformTcb {
    let sgx_names: [(&str, &str); 16] = [
        ("BIOS", "Early Microcode Update"),
        ("OS/VMM", "SGX Late Microcode Update"),
        ("OS/VMM", "TXT SINIT"),
        ("BIOS", ""),
        ("BIOS", ""),
        ("BIOS", ""),
        ("", ""),
        ("OS/VMM", "SEAMLDR ACM"),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", ""),
    ];
    let tdx_names =
        [("OS/VMM", "TDX Module"), ("OS/VMM", "TDX Module"), ("OS/VMM", "TDX Late Microcode Update")];
    let named = |(svn, (category, kind)): (u8, (&str, &str))| {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Component { svn, category: text(category), kind: text(kind) }
    };
    let unused = core::iter::repeat_n((0, ("", "")), 13);
    PlatformTcb {
        sgx_components: sgx.into_iter().zip(sgx_names).map(named).collect(),
        pce_svn,
        tdx_components: tdx.into_iter().zip(tdx_names).chain(unused).map(named).collect(),
    }
}

/// The identity of a Quoting Enclave, version 2.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QeIdentity {
    /// `TD_QE`, or `QE` for SGX.
    pub id: String,
    /// 2.
    pub version: u32,
    /// The time from which the document is good: `YYYY-MM-DDThh:mm:ssZ`.
    pub issue_date: String,
    /// The time until which the document is good.
    pub next_update: String,
    /// Rises with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// MISCSELECT, 8 hexadecimal digits.
    pub miscselect: String,
    /// The bits of MISCSELECT that are compared.
    pub miscselect_mask: String,
    /// ATTRIBUTES, 32 hexadecimal digits.
    pub attributes: String,
    /// The bits of ATTRIBUTES that are compared.
    pub attributes_mask: String,
    /// MRSIGNER, 64 hexadecimal digits.
    pub mrsigner: String,
    /// ISVPRODID.
    pub isvprodid: u16,
    /// The levels of ISVSVN, the highest first.
    pub tcb_levels: Vec<TcbLevel<IsvTcb>>,
}

impl Default for QeIdentity {
    /// The identity of Intel's TD Quoting Enclave, of 2026-01-01, good for a year.
    fn default() -> Self {
        Self {
            id: "TD_QE".to_owned(),
            version: 2,
            issue_date: rfc3339(utc_day(2026, 1, 1)),
            next_update: rfc3339(utc_day(2027, 1, 1)),
            tcb_evaluation_data_number: 19,
            miscselect: "00000000".to_owned(),
            miscselect_mask: "FFFFFFFF".to_owned(),
            attributes: "11000000000000000000000000000000".to_owned(),
            attributes_mask: "FBFFFFFFFFFFFFFF0000000000000000".to_owned(),
            mrsigner: hex::encode_upper(TD_QE_MR_SIGNER),
            isvprodid: 2,
            tcb_levels: vec![TcbLevel::up_to_date(IsvTcb { isv_svn: 4 })],
        }
    }
}

/// A time in Intel's form: `YYYY-MM-DDThh:mm:ssZ`.
///
/// # Panics
///
/// If the time is after the year 9999.
#[must_use]
#[expect(clippy::expect_used, reason = "tests give constant dates")]
pub fn rfc3339(seconds: u64) -> String {
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .expect("a time before the year 10000")
        .to_string()
}
