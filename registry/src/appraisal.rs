//! Verified and bound Evidence against the parts of a policy that mean the same for every backend.

use backend_api::{Authority, Error, ErrorKind, Result};

use crate::{AppraisalPolicy, Appraised};

/// # Errors
///
/// [`ErrorKind::PolicyViolation`], naming the first key of the policy that does not hold.
pub(crate) fn appraise(policy: &AppraisalPolicy, item: &Appraised) -> Result<()> {
    let violation =
        |message: String| Err(Error::new(ErrorKind::PolicyViolation, message).in_backend(item.backend));
    for name in &policy.require_checks {
        let performed = item
            .ledger
            .entries()
            .iter()
            .any(|entry| entry.check.name() == name && item.ledger.passed(entry.check));
        if !performed {
            return violation(format!("policy requires the check {name}, which was not performed"));
        }
    }
    if let Some(accepted) = &policy.accept_tcb_status {
        let status = &item.claims.tcb_status;
        if !accepted.contains(status) {
            return violation(format!("tcb status is {status}, which accept-tcb-status does not list"));
        }
    }
    for (&field, allowed) in &policy.reference_values.identity {
        let name = field.name();
        match item.identity.get(field) {
            None => {
                return violation(format!(
                    "{name} is not bound by the evidence, and the policy lists values of it"
                ));
            }
            Some(value) if !allowed.contains(value) => {
                return violation(format!(
                    "{name} is {}, which is not a reference value",
                    hex::encode(value)
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// # Errors
///
/// [`ErrorKind::PolicyViolation`] if a link rests on the caller's word alone and the policy does not accept that.
pub(crate) fn nothing_asserted(policy: &AppraisalPolicy, item: &Appraised) -> Result<()> {
    let asserted = item.graph.links().iter().find(|link| link.authority == Authority::Asserted);
    match asserted {
        Some(link) if !policy.danger_accept_asserted => Err(Error::new(
            ErrorKind::PolicyViolation,
            format_args!("{} is tied to {} on the caller's word alone", link.to, link.from),
        )
        .in_backend(item.backend)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backend_api::{BackendId, BindingGraph, Claims, Identity, Ledger, MediaType};

    use super::*;

    #[test]
    fn a_link_on_the_caller_s_word_passes_only_where_policy_names_it() {
        let graph = BindingGraph::default().link("quote", "report", "an expected value", Authority::Asserted);
        let item = Appraised {
            backend: BackendId::new("example"),
            media_type: MediaType::new("application/example"),
            claims: Claims::new("example", "", &[]),
            identity: Identity::new(),
            ledger: Ledger::default(),
            graph,
            notes: BTreeMap::new(),
        };
        let mut policy = AppraisalPolicy::default();
        assert_eq!(nothing_asserted(&policy, &item).unwrap_err().kind(), ErrorKind::PolicyViolation);
        policy.danger_accept_asserted = true;
        nothing_asserted(&policy, &item).unwrap();
    }
}
