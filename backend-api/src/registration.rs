//! Link-time registration.

use crate::AttestationBackend;

/// A backend and the crate that it comes from.
#[derive(Debug)]
pub struct Registration {
    /// The backend.
    pub backend: &'static dyn AttestationBackend,
    /// The crate.
    pub crate_name: &'static str,
    /// Its version.
    pub crate_version: &'static str,
}

inventory::collect!(&'static Registration);

/// Every registration that the linker kept, in no particular order.
///
/// A crate that nothing names is not linked, and a static library drops constructors: the `registry` crate therefore
/// unites this with an explicit table.
pub fn linked() -> impl Iterator<Item = &'static Registration> {
    inventory::iter::<&'static Registration>.into_iter().copied()
}

/// Registers a backend: exports `pub static REGISTRATION` where it stands, and submits it to every program that links the
/// crate.
///
/// ```ignore
/// backend_api::register!(&BACKEND); // an expression of type &'static dyn AttestationBackend
/// ```
///
/// A program that depends on the crate must name it (`use backend_x as _;`, or its `REGISTRATION`): a crate that is only
/// listed in `Cargo.toml` is not linked, without a warning.
#[macro_export]
macro_rules! register {
    ($backend:expr) => {
        /// The registration of this crate's backend.
        pub static REGISTRATION: $crate::Registration = $crate::Registration {
            backend: $backend,
            crate_name: ::core::env!("CARGO_PKG_NAME"),
            crate_version: ::core::env!("CARGO_PKG_VERSION"),
        };
        $crate::__private::inventory::submit! { &REGISTRATION }
    };
}
