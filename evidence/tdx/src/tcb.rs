//! How current a platform is, and what it falls short in.

use std::fmt;

use dcap_qvl::{PckCertFlag, QuoteClaims, SvnComponent, SvnShortfall, TcbInfo, TcbLevel};

use crate::{
    Error, Quote,
    collateral::seconds,
    policy::{PlatformFlag, TcbStatus},
};

/// The TCB of a platform, as Intel appraises it: platform, TDX module and quoting enclave in one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tcb {
    /// The converged status.
    pub status: TcbStatus,
    /// Every advisory that applies to a part of it, sorted.
    pub advisory_ids: Vec<String>,
    /// The lower tcbEvaluationDataNumber of TCB info and QE identity.
    pub evaluation: u32,
    /// The oldest date of the levels that its parts reach, in seconds since 1970-01-01T00:00:00Z.
    pub date: u64,
    /// What keeps it from the level that Intel calls up to date; empty where it is at that level.
    pub shortfalls: Vec<Shortfall>,
    /// What the PCK certificate says of the platform; `None` where it does not say.
    pub flags: [(PlatformFlag, Option<bool>); 3],
}

/// A security version that is below what a level needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    component: Component,
    /// The version there is.
    pub found: u16,
    /// The version that is needed.
    pub needed: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    Svn(SvnComponent),
    QuotingEnclave,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.component {
            Component::Svn(SvnComponent::Sgx(index)) => write!(f, "SGX component {index}")?,
            Component::Svn(SvnComponent::Tdx(index)) => write!(f, "TDX component {index}")?,
            Component::Svn(SvnComponent::PceSvn) => f.write_str("PCE")?,
            Component::Svn(SvnComponent::TdxModuleIsvSvn) => f.write_str("TDX module")?,
            Component::QuotingEnclave => f.write_str("quoting enclave")?,
        }
        let missing = self.needed.saturating_sub(self.found);
        write!(f, " is at {}, {missing} below {}", self.found, self.needed)
    }
}

impl From<SvnShortfall> for Shortfall {
    fn from(short: SvnShortfall) -> Self {
        Self { component: Component::Svn(short.component), found: short.have, needed: short.needs }
    }
}

/// Several shortfalls as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfalls(pub Vec<Shortfall>);

impl fmt::Display for Shortfalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

/// The security versions of a platform.
pub(crate) struct Versions<'a> {
    pub(crate) cpu_svn: &'a [u8; 16],
    pub(crate) pce_svn: u16,
    pub(crate) quote: &'a Quote<'a>,
}

impl Versions<'_> {
    /// What it falls short of `level` in, by the TCB at launch and by the present one.
    fn below(&self, level: &TcbLevel) -> Option<Vec<Shortfall>> {
        let report = &self.quote.report;
        let mut all: Vec<Shortfall> = Vec::new();
        for svn in [Some(&report.tee_tcb_svn), report.tee_tcb_svn2.as_ref()].into_iter().flatten() {
            for short in
                level.shortfalls(self.cpu_svn, self.pce_svn, Some(svn)).ok()?.into_iter().map(Shortfall::from)
            {
                if !all.contains(&short) {
                    all.push(short);
                }
            }
        }
        Some(all)
    }

    /// What it falls short of the nearest of `levels` in: the one that it misses in the fewest components, by the least.
    fn nearest<'l>(&self, levels: impl Iterator<Item = &'l TcbLevel>) -> Vec<Shortfall> {
        let missing = |short: &Shortfall| u32::from(short.needed.saturating_sub(short.found));
        let distance = |all: &Vec<Shortfall>| (all.len(), all.iter().map(missing).sum::<u32>());
        levels.filter_map(|level| self.below(level)).min_by_key(distance).unwrap_or_default()
    }

    /// What keeps it from every level of `tcb_info`: by how much the nearest is missed.
    pub(crate) fn below_every_level(&self, tcb_info: &TcbInfo) -> Shortfalls {
        Shortfalls(self.nearest(tcb_info.tcb_levels.iter()))
    }

    /// What keeps it from being up to date.
    fn below_up_to_date(&self, tcb_info: &TcbInfo) -> Vec<Shortfall> {
        let current = |level: &&TcbLevel| level.tcb_status == dcap_qvl::TcbStatus::UpToDate;
        let mut all = self.nearest(tcb_info.tcb_levels.iter().filter(current));
        let report = &self.quote.report;
        if let Ok(Some(module)) = tcb_info.tdx_module_identity(&report.tee_tcb_svn) {
            let current =
                module.tcb_levels.iter().find(|level| level.tcb_status == dcap_qvl::TcbStatus::UpToDate);
            all.extend(current.and_then(|level| level.shortfall(&report.tee_tcb_svn)).map(Shortfall::from));
        }
        all
    }
}

/// The status that `dcap-qvl` gives, which follows Intel's quote verification library, joined with that of each part that it
/// leaves out: the quoting enclave where it is neither up to date nor out of date, which then counts as out of date, and the
/// platform's present level beside the one at the launch.
fn converged(claims: &QuoteClaims) -> dcap_qvl::TcbStatus {
    use dcap_qvl::TcbStatus::{
        ConfigurationAndSWHardeningNeeded, ConfigurationNeeded, OutOfDate, OutOfDateConfigurationNeeded,
        Revoked, SWHardeningNeeded, TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded, UpToDate,
    };
    // What a status says: out of date, to be launched again, to be configured, software must guard itself.
    let says = |status| match status {
        UpToDate | Revoked => (false, false, false, false),
        SWHardeningNeeded => (false, false, false, true),
        ConfigurationNeeded => (false, false, true, false),
        ConfigurationAndSWHardeningNeeded => (false, false, true, true),
        TDRelaunchAdvised => (false, true, false, false),
        TDRelaunchAdvisedConfigurationNeeded => (false, true, true, false),
        OutOfDate => (true, false, false, false),
        OutOfDateConfigurationNeeded => (true, false, true, false),
    };
    let enclave = claims.qe.tcb_level.tcb_status;
    let present = claims.platform.current_tcb_level.as_ref().map_or(UpToDate, |level| level.tcb_status);
    let all = [claims.tcb.status, enclave, present];
    if all.contains(&Revoked) {
        return Revoked;
    }
    let [whole, of_enclave, of_platform] = all.map(says);
    let old = whole.0 || enclave != UpToDate || of_platform.0;
    let again = whole.1 || of_platform.1;
    let configure = whole.2 || of_enclave.2 || of_platform.2;
    let harden = whole.3 || of_platform.3;
    match (old, again, configure, harden) {
        (true, _, false, _) => OutOfDate,
        (true, _, true, _) => OutOfDateConfigurationNeeded,
        (_, true, false, _) => TDRelaunchAdvised,
        (_, true, true, _) => TDRelaunchAdvisedConfigurationNeeded,
        (_, _, true, true) => ConfigurationAndSWHardeningNeeded,
        (_, _, true, false) => ConfigurationNeeded,
        (_, _, false, true) => SWHardeningNeeded,
        (_, _, false, false) => UpToDate,
    }
}

impl Tcb {
    /// From what `dcap-qvl` established.
    pub(crate) fn new(
        claims: &QuoteClaims,
        tcb_info: &TcbInfo,
        qe_identity: &dcap_qvl::QeIdentity,
        quote: &Quote<'_>,
    ) -> Result<Self, Error> {
        let status = TcbStatus::of(converged(claims)).ok_or(Error::TcbRevoked)?;
        let pck = &claims.platform.pck;
        let versions = Versions { cpu_svn: &pck.cpu_svn, pce_svn: pck.pce_svn, quote };
        let mut shortfalls = versions.below_up_to_date(tcb_info);
        let (found, qe) = (claims.qe.report.isv_svn, &claims.qe.tcb_level);
        let current =
            qe_identity.tcb_levels.iter().find(|level| level.tcb_status == dcap_qvl::TcbStatus::UpToDate);
        if let Some(needed) = current.map(|level| level.tcb.isvsvn).filter(|needed| found < *needed) {
            shortfalls.push(Shortfall { component: Component::QuotingEnclave, found, needed });
        }
        let present = claims.platform.current_tcb_level.as_ref();
        let dates = [&claims.platform.tcb_level.tcb_date, &qe.tcb_date];
        let dates = dates.into_iter().chain(present.map(|level| &level.tcb_date));
        let dates: Option<Vec<u64>> = dates.map(|date| seconds(date)).collect();
        let date = dates.and_then(|dates| dates.into_iter().min()).ok_or(Error::TcbDate)?;
        let mut advisory_ids = claims.tcb.advisory_ids.clone();
        advisory_ids.extend(present.into_iter().flat_map(|level| level.advisory_ids.clone()));
        advisory_ids.sort_unstable();
        advisory_ids.dedup();
        let flags = [
            (pck.cached_keys, PlatformFlag::CachedKeys),
            (pck.dynamic_platform, PlatformFlag::DynamicPlatform),
            (pck.smt_enabled, PlatformFlag::Smt),
        ];
        let flags = flags.map(|(said, flag)| {
            let said = match said {
                PckCertFlag::True => Some(true),
                PckCertFlag::False => Some(false),
                PckCertFlag::Undefined => None,
            };
            (flag, said)
        });
        Ok(Self { status, advisory_ids, evaluation: claims.tcb.eval_data_number, date, shortfalls, flags })
    }
}
