//! What holds the parts of Evidence together, and on whose word.

use std::borrow::Cow;

use serde::Serialize;

/// Who vouches for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Authority {
    /// The relying party itself, by an expected value that it gave. Passes only where policy names it.
    Asserted,
    /// The cloud provider, over its own interfaces.
    Provider,
    /// A virtual TPM outside of the TEE, which the provider runs.
    ProviderVtpm,
    /// The processor or the device.
    TeeHardware,
    /// A virtual TPM inside of the TEE.
    TeeVtpm,
}

/// One link: `from` commits to `to` by `means`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What is trusted already.
    pub from: Cow<'static, str>,
    /// What it vouches for.
    pub to: Cow<'static, str>,
    /// By which signature, hash or field.
    pub means: Cow<'static, str>,
    /// On whose word.
    pub authority: Authority,
}

/// The links in the order in which they were established, from the trust anchor outwards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct BindingGraph {
    links: Vec<Link>,
}

impl BindingGraph {
    /// Adds a link.
    #[must_use]
    pub fn link(
        mut self,
        from: impl Into<Cow<'static, str>>,
        to: impl Into<Cow<'static, str>>,
        means: impl Into<Cow<'static, str>>,
        authority: Authority,
    ) -> Self {
        self.add(from, to, means, authority);
        self
    }

    /// Adds a link in place.
    pub fn add(
        &mut self,
        from: impl Into<Cow<'static, str>>,
        to: impl Into<Cow<'static, str>>,
        means: impl Into<Cow<'static, str>>,
        authority: Authority,
    ) {
        self.push(Link { from: from.into(), to: to.into(), means: means.into(), authority });
    }

    /// Adds a link that is one already.
    pub fn push(&mut self, link: Link) {
        self.links.push(link);
    }

    /// The links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Appends the links of another graph.
    pub fn append(&mut self, other: Self) {
        self.links.extend(other.links);
    }
}
