//! The backends of this workspace, by feature.

use backend_api::Registration;

/// The features that link a backend, and whether this build has them.
pub const FEATURES: &[(&str, bool)] = &[
    ("aws", cfg!(feature = "aws")),
    ("azure", cfg!(feature = "azure")),
    ("baremetal-snp", cfg!(feature = "baremetal-snp")),
    ("gcp", cfg!(feature = "gcp")),
    ("nvidia", cfg!(feature = "nvidia")),
    ("tdx", cfg!(feature = "tdx")),
];

/// Naming each `REGISTRATION` is what links its crate: a dependency that is never named is dropped without a warning, and a
/// static library drops the constructors that `inventory` relies on.
pub(crate) static BUILTIN: &[&Registration] = &[
    #[cfg(feature = "aws")]
    &backend_aws::REGISTRATION,
    #[cfg(feature = "azure")]
    &backend_azure::REGISTRATION,
    #[cfg(feature = "baremetal-snp")]
    &backend_baremetal_snp::REGISTRATION,
    #[cfg(feature = "gcp")]
    &backend_gcp::REGISTRATION,
    #[cfg(feature = "nvidia")]
    &backend_nvidia::REGISTRATION,
    #[cfg(feature = "tdx")]
    &backend_tdx::REGISTRATION,
];
