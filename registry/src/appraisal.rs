//! Verified and bound Evidence against the parts of a policy that mean the same for every backend.

use std::collections::BTreeSet;

use backend_api::{Authority, BackendId, Check, Error, ErrorKind, Failed, Field, Result, Role};

use crate::{AppraisalPolicy, Appraised};

/// The checks of the appraisal, which every result lists after its backend's.
pub mod checks {
    backend_api::checks! {
        TCB_STATUS = "tcb-status":
            "the CPU's TCB status is one that the policy accepts", "AppraisalPolicy";
        REQUIRED_DEVICES = "required-devices":
            "beside the CPU there is evidence of devices for every backend of devices that the policy requires", "AppraisalPolicy";
        ASSERTED_LINKS = "asserted-links":
            "no link of the binding graph rests on the caller's word alone", "AppraisalPolicy";
        REFERENCE_VALUES = "reference-values":
            "the CPU's identity has the values that the relying party lists, and what only an image or a host vouches for \
             is of a listed one",
            "RFC 9334 §8.3";
        REQUIRED_CHECKS = "required-checks":
            "every check that the policy requires, and that is made for this item, was performed", "AppraisalPolicy";
    }
}

/// Why Evidence that its backend accepted was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppraisalError {
    /// A link that the policy does not accept.
    #[error("{to} is tied to {from} on the caller's word alone")]
    Asserted {
        /// What is vouched for.
        to: String,
        /// By what.
        from: String,
    },
    /// A required check was not performed.
    #[error("policy requires the check {0}, which was not performed")]
    CheckNotPerformed(String),
    /// Evidence of devices that is not there.
    #[error("expected evidence of devices for {0}, which the policy requires, found none")]
    DevicesMissing(String),
    /// The Evidence does not bind a field of which the policy lists values.
    #[error("{0} is not bound by the evidence, and the policy lists values of it")]
    NotBound(&'static str),
    /// The value is not a listed one.
    #[error("{field} is {found}, which is not a reference value")]
    NotListed {
        /// The field of the identity.
        field: &'static str,
        /// Its value, hex.
        found: String,
    },
    /// The TCB status is not a listed one.
    #[error("tcb status is {0}, which accept-tcb-status does not list")]
    TcbStatus(String),
}

/// Appraises one item, and adds what was done to its ledger. `devices` are the backends of the devices beside the CPU.
///
/// # Errors
///
/// [`ErrorKind::PolicyViolation`] with the check that failed and an [`AppraisalError`].
pub(crate) fn appraise(
    policy: &AppraisalPolicy,
    role: Role,
    devices: &BTreeSet<BackendId>,
    item: &mut Appraised,
) -> Result<()> {
    let appraised = (|| {
        tcb_status(policy, role, item)?;
        required_devices(policy, role, devices, item)?;
        asserted_links(policy, item)?;
        reference_values(policy, role, item)?;
        let required = required_checks(policy, role, item);
        item.ledger.verify(checks::REQUIRED_CHECKS, required)
    })();
    appraised.map_err(|failed: Failed<AppraisalError>| {
        Error::from_failed(failed, |_| ErrorKind::PolicyViolation).in_backend(item.backend)
    })
}

/// What the appraisal asks of the CPU alone.
const OF_CPU: [Check; 3] = [checks::TCB_STATUS, checks::REQUIRED_DEVICES, checks::REFERENCE_VALUES];

/// A required check concerns the items for which it is made; that there are such was established with the policy.
fn required_checks(policy: &AppraisalPolicy, role: Role, item: &Appraised) -> Result<(), AppraisalError> {
    let concerns = |check: &Check| role == Role::Cpu || !OF_CPU.contains(check);
    let mut gaps = item.ledger.gaps().filter(|(check, _)| concerns(check));
    let skipped = gaps.find(|(check, _)| policy.require_checks.contains(check.name()));
    skipped.map_or(Ok(()), |(check, _)| Err(AppraisalError::CheckNotPerformed(check.name().to_owned())))
}

fn tcb_status(
    policy: &AppraisalPolicy,
    role: Role,
    Appraised { ledger, claims, .. }: &mut Appraised,
) -> Result<(), Failed<AppraisalError>> {
    match &policy.accept_tcb_status {
        Some(accepted) if role == Role::Cpu => {
            let status = &claims.tcb_status;
            ledger.require(checks::TCB_STATUS, accepted.contains(status), || {
                AppraisalError::TcbStatus(status.clone())
            })?;
        }
        Some(_) => ledger.not_performed(checks::TCB_STATUS, "the policy judges the CPU's status"),
        None => ledger.not_performed(checks::TCB_STATUS, "the policy accepts every status"),
    }
    Ok(())
}

/// Whoever leaves out the evidence of a GPU leaves out why it is refused: that there must be some is the policy's word.
fn required_devices(
    policy: &AppraisalPolicy,
    role: Role,
    devices: &BTreeSet<BackendId>,
    Appraised { ledger, .. }: &mut Appraised,
) -> Result<(), Failed<AppraisalError>> {
    if role == Role::Device || policy.require_devices.is_empty() {
        let reason = match role {
            Role::Device => "the policy asks it of the CPU",
            Role::Cpu => "the policy requires no devices",
        };
        ledger.not_performed(checks::REQUIRED_DEVICES, reason);
        return Ok(());
    }
    let is_missing = |id: &&String| !devices.iter().any(|device| device.as_str() == id.as_str());
    let missing = policy.require_devices.iter().find(is_missing);
    ledger.verify(
        checks::REQUIRED_DEVICES,
        match missing {
            Some(id) => Err(AppraisalError::DevicesMissing(id.clone())),
            None => Ok(()),
        },
    )
}

fn asserted_links(
    policy: &AppraisalPolicy,
    Appraised { ledger, graph, .. }: &mut Appraised,
) -> Result<(), Failed<AppraisalError>> {
    let asserted = graph.links().iter().find(|link| link.authority == Authority::Asserted);
    if asserted.is_some() && policy.danger_accept_asserted {
        ledger.not_performed(checks::ASSERTED_LINKS, "the policy accepts links on the caller's word alone");
        return Ok(());
    }
    let asserted = asserted
        .map(|link| AppraisalError::Asserted { to: link.to.to_string(), from: link.from.to_string() });
    ledger.verify(checks::ASSERTED_LINKS, asserted.map_or(Ok(()), Err))
}

/// The check with which backends compare a measurement to the listed ones.
const MEASUREMENT_LISTED: Check = Check::new("measurement-listed");

/// Whoever can choose the firmware and the kernel can make them say anything of the application: an identity means
/// something to a relying party that lists the measurements or the images that it trusts, here or where it acts on the result.
fn reference_values(
    policy: &AppraisalPolicy,
    role: Role,
    Appraised { ledger, identity, .. }: &mut Appraised,
) -> Result<(), Failed<AppraisalError>> {
    let listed = &policy.reference_values;
    if role == Role::Device || (listed.identity.is_empty() && listed.measurements.is_empty()) {
        let reason = "the relying party lists no values: the identity holds as far as what was measured can be trusted";
        ledger.not_performed(checks::REFERENCE_VALUES, reason);
        return Ok(());
    }
    let judge = |field: Field| match identity.get(field) {
        None => Some(AppraisalError::NotBound(field.name())),
        Some(value) if listed.identity.get(&field).is_some_and(|allowed| allowed.contains(value)) => None,
        Some(value) => Some(AppraisalError::NotListed { field: field.name(), found: hex::encode(value) }),
    };
    if let Some(wrong) = listed.identity.keys().find_map(|field| judge(*field)) {
        return ledger.verify(checks::REFERENCE_VALUES, Err(wrong));
    }
    // Listed measurements are the backend's to compare. One that found none in the evidence lists that check as not performed.
    if !listed.measurements.is_empty() && !ledger.passed(MEASUREMENT_LISTED) {
        let reason = "the relying party lists measurements, and there was none to compare";
        ledger.not_performed(checks::REFERENCE_VALUES, reason);
        return Ok(());
    }
    if policy.of_unknown_image().is_some() || policy.of_unknown_application().is_some() {
        let reason =
            "the values are those that are listed, and the policy accepts them of any image or application";
        ledger.not_performed(checks::REFERENCE_VALUES, reason);
        return Ok(());
    }
    ledger.verify(checks::REFERENCE_VALUES, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backend_api::{BackendId, BindingGraph, Check, Claims, Identity, Lane, Ledger, MediaType};

    use super::*;

    const MADE: Check = Check::new("made");
    const SKIPPED: Check = Check::new("skipped");

    fn item() -> Appraised {
        let mut identity = Identity::new();
        identity.bind(Field::AppId, [1; 20], Lane::Report);
        let mut ledger = Ledger::default();
        ledger.require(MADE, true, || ()).unwrap();
        ledger.not_performed(SKIPPED, "for the test");
        Appraised {
            backend: BackendId::new("example"),
            media_type: MediaType::new("application/example"),
            claims: Claims::new("example", "example", "", &[]),
            identity,
            ledger,
            graph: BindingGraph::default().link(
                "quote",
                "report",
                "an expected value",
                Authority::TeeHardware,
            ),
            notes: BTreeMap::new(),
        }
    }

    fn failed(policy: &AppraisalPolicy, role: Role, mut item: Appraised) -> Option<&'static str> {
        appraise(policy, role, &BTreeSet::new(), &mut item).err().map(|error| {
            assert_eq!(error.kind(), ErrorKind::PolicyViolation);
            error.check().unwrap().name()
        })
    }

    #[test]
    fn devices_that_the_policy_requires_are_asked_of_the_cpu() {
        let mut policy = AppraisalPolicy::default();
        policy.require_devices.insert("gpu".to_owned());
        let judged = |role, devices: &[&'static str]| {
            let devices = devices.iter().map(|id| BackendId::new(id)).collect();
            appraise(&policy, role, &devices, &mut item()).err().map(|error| error.check().unwrap().name())
        };
        assert_eq!(judged(Role::Cpu, &[]), Some("required-devices"));
        assert_eq!(judged(Role::Cpu, &["other"]), Some("required-devices"));
        assert_eq!(judged(Role::Cpu, &["gpu", "other"]), None);
        assert_eq!(judged(Role::Device, &[]), None);
    }

    #[test]
    fn a_link_on_the_caller_s_word_passes_only_where_policy_names_it() {
        let mut policy = AppraisalPolicy::default();
        for role in [Role::Cpu, Role::Device] {
            let mut asserted = item();
            asserted.graph = asserted.graph.link("a", "b", "an expected value", Authority::Asserted);
            policy.danger_accept_asserted = false;
            assert_eq!(failed(&policy, role, asserted.clone()), Some("asserted-links"));
            policy.danger_accept_asserted = true;
            appraise(&policy, role, &BTreeSet::new(), &mut asserted).unwrap();
            assert!(!asserted.ledger.passed(checks::ASSERTED_LINKS));
        }
    }

    #[test]
    fn a_required_check_concerns_cpu_and_devices_that_declare_it() {
        let mut policy = AppraisalPolicy::default();
        for (name, verdict) in [("made", None), ("elsewhere", None), ("skipped", Some("required-checks"))] {
            policy.require_checks = [name.to_owned()].into();
            for role in [Role::Cpu, Role::Device] {
                assert_eq!(failed(&policy, role, item()), verdict, "{name}");
            }
        }
        // One of the appraisal of a CPU alone.
        policy.require_checks = ["tcb-status".to_owned()].into();
        assert_eq!(failed(&policy, Role::Cpu, item()), Some("required-checks"));
        assert_eq!(failed(&policy, Role::Device, item()), None);
    }

    #[test]
    fn status_and_identity_are_the_cpu_s() {
        let accept_tcb_status = Some(["UpToDate".to_owned()].into());
        let policy = AppraisalPolicy { accept_tcb_status, ..AppraisalPolicy::default() };
        assert_eq!(failed(&policy, Role::Cpu, item()), Some("tcb-status"));
        assert_eq!(failed(&policy, Role::Device, item()), None);

        let mut policy = AppraisalPolicy::default();
        policy.reference_values.identity.insert(Field::AppId, [vec![1; 20]].into());
        assert_eq!(failed(&policy, Role::Cpu, item()), None);
        policy.reference_values.identity.insert(Field::AppId, [vec![2; 20]].into());
        assert_eq!(failed(&policy, Role::Cpu, item()), Some("reference-values"));
        policy.reference_values.identity = [(Field::OsImageHash, [vec![2; 32]].into())].into();
        assert_eq!(failed(&policy, Role::Cpu, item()), Some("reference-values"));
        assert_eq!(failed(&policy, Role::Device, item()), None);
    }

    #[test]
    fn values_of_anything_unknown_do_not_pass_for_compared() {
        let passes_where = |is_compared: bool, policy: &AppraisalPolicy| {
            let mut item = item();
            if is_compared {
                item.ledger.require(MEASUREMENT_LISTED, true, || ()).unwrap();
            } else {
                item.ledger.not_performed(MEASUREMENT_LISTED, "there is no measurement");
            }
            item.identity.bind(Field::ComposeHash, [3; 32], Lane::Report);
            appraise(policy, Role::Cpu, &BTreeSet::new(), &mut item).unwrap();
            item.ledger.passed(checks::REFERENCE_VALUES)
        };
        let passes = |policy: &AppraisalPolicy| passes_where(true, policy);
        let mut policy = AppraisalPolicy::default();
        policy.reference_values.identity.insert(Field::AppId, [vec![1; 20]].into());
        assert!(!passes(&policy), "of any image and any application");
        policy.reference_values.measurements.insert(vec![7; 48]);
        assert!(!passes(&policy), "of any application");
        policy.reference_values.identity.insert(Field::ComposeHash, [vec![3; 32]].into());
        assert!(passes(&policy));
        assert!(!passes_where(false, &policy), "of evidence without a measurement");
        policy.reference_values.measurements.clear();
        assert!(!passes(&policy), "of any image");
    }

    #[test]
    fn a_result_lists_what_the_appraisal_did() {
        let mut item = item();
        appraise(&AppraisalPolicy::default(), Role::Cpu, &BTreeSet::new(), &mut item).unwrap();
        assert!(item.ledger.passed(checks::ASSERTED_LINKS));
        assert!(item.ledger.gaps().any(|(check, _)| check == checks::REFERENCE_VALUES));
    }
}
