//! Services that a guest asks over plain HTTP: its host's, and those whose answers are signed.

use std::time::Duration;

/// Asks without proxies of the environment and without redirections, and gives an answer of any status; each takes at most `deadline`.
#[must_use]
pub fn agent(deadline: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(deadline))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build();
    config.into()
}
