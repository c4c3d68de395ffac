//! Regions of AWS, and how AMD names them in the certificates of the keys that it makes for AWS.

use evidence_nitro::is_region;

/// What stands before and behind a region in the CSP_ID of a VLEK's certificate.
const PREFIX: &str = "CN=cc-";
const SUFFIX: &str = ".amazonaws.com";

/// The CSP_ID of a region.
pub(crate) fn csp_id(region: &str) -> String {
    format!("{PREFIX}{region}{SUFFIX}")
}

/// The region that a CSP_ID names; `None` for another provider's.
pub(crate) fn of_csp_id(csp_id: &str) -> Option<&str> {
    let region = csp_id.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    is_region(region).then_some(region)
}
