//! Which backends are linked, which are accepted; the relying party's pipeline and policy.
