//! Cross-checks: what else a provider says of a guest, when it is asked.

use std::{error::Error as StdError, fmt};

use async_trait::async_trait;

use crate::{BackendId, CheckInfo, Link, Result, VerifiedEvidence};

/// The most characters of a text that [`one_line`] shows.
const MAX_LINE: usize = 200;

/// A question to a cloud provider about Evidence that is verified already, with credentials of the relying party's.
///
/// It adds the provider's word over its own interfaces ([`Authority::Provider`](crate::Authority)), and replaces no check of the
/// backend's: `verify` and `bind_runtime` stay as they are, and ask nobody. Who wants one adds it to the accepted backends
/// (`registry::Accepted::with_cross_check`); then every item of its backend is asked about, and each error refuses the item.
#[async_trait]
pub trait CrossCheck: fmt::Debug + Send + Sync {
    /// The backend whose Evidence it is about.
    fn backend(&self) -> BackendId;

    /// The check, whose name no other check has.
    fn check(&self) -> &'static CheckInfo;

    /// Asks, and compares the answer with what was verified. `Ok` means that both agree: the link says on what.
    ///
    /// # Errors
    ///
    /// [`InconsistentEvidence`](crate::ErrorKind::InconsistentEvidence) where the provider says otherwise;
    /// [`SourceUnavailable`](crate::ErrorKind::SourceUnavailable) where it does not answer, or not now;
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) where the relying party's credentials do not suffice;
    /// [`InvalidEndorsements`](crate::ErrorKind::InvalidEndorsements) for an answer that cannot be read. Check and backend need not
    /// be named: who asks does.
    async fn ask(&self, verified: &VerifiedEvidence) -> Result<Link>;
}

/// The innermost source of an error: what happened, where those around it say that something did.
pub fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// What a client or a provider says, as errors show it: at most 200 characters, on one line.
pub fn one_line(text: impl fmt::Display) -> String {
    let text = text.to_string();
    text.chars().take(MAX_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn what_happened_is_told_in_one_line() {
        let outer = Outer(std::io::Error::other("first\nsecond\u{1b}[2J"));
        assert_eq!(one_line(innermost(&outer)), "first second [2J");
        assert_eq!(one_line("é".repeat(300)), "é".repeat(200));
    }
}
