//! Regions of AWS, and how AMD names them in the certificates of the keys that it makes for AWS.

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

/// A name such as `us-east-2`. A dot in it would let another domain of somebody's pass for a region.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
