//! What NVML says of confidential computing in the whole system, in one call.
//!
//! `nvml-wrapper` has the call, and gives neither the environment nor all modes of several GPUs. So it is made here, the one that the
//! wrapper does not make for us.

#![expect(
    unsafe_code,
    reason = "nvml-wrapper hides the environment and encrypted NVLink, which this call says"
)]

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::{NvmlLib, nvmlSystemConfComputeSettings_t};

/// Version 1 of the structure: its size, and the version in the upmost byte, as nvml.h composes them.
const VERSION: u32 = 0x0100_0014;

/// A value that NVML has for nothing.
const UNWRITTEN: u32 = u32::MAX;

/// `nvmlSystemGetConfComputeSettings`. A field that the library does not write is a value that nothing has.
pub(super) fn settings(library: &NvmlLib) -> Result<nvmlSystemConfComputeSettings_t, NvmlError> {
    let call = nvml_sym(library.nvmlSystemGetConfComputeSettings.as_ref())?;
    let mut settings = nvmlSystemConfComputeSettings_t {
        version: VERSION,
        environment: UNWRITTEN,
        ccFeature: UNWRITTEN,
        devToolsMode: UNWRITTEN,
        multiGpuMode: UNWRITTEN,
    };
    // SAFETY: the library is loaded for as long as `library` lives, and its symbol of this name has this signature in every version that
    // has it (nvml.h). It writes within the structure, whose size the version carries, and keeps no reference. All bytes are valid for
    // each field. What the driver's library does otherwise, it could do without being called: it is loaded.
    nvml_try(unsafe { call(&raw mut settings) })?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    #[test]
    fn the_version_is_that_of_the_structure() {
        let size = u32::try_from(size_of::<nvmlSystemConfComputeSettings_t>()).unwrap();
        assert_eq!(VERSION, size | 1 << 24);
    }
}
