//! What C calls: the functions of NVML that a guest needs to attest, by their names and signatures in nvml.h.
//!
//! A pointer that the caller gives is null, or is of a live value of the type that nvml.h names, to which nobody else refers during the
//! call. That is the contract of NVML, which each SAFETY below means by "the caller's".

#![expect(unsafe_code, reason = "a C library is called with pointers, which no type can vouch for")]

use std::ffi::{c_char, c_uint};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::driver::{
    ARGUMENT_VERSION_MISMATCH, Code, Driver, INSUFFICIENT_SIZE, INVALID_ARGUMENT, UNKNOWN, words,
};

/// `nvmlDevice_t`: the index of a GPU, counted from 1, which nobody follows as a pointer.
type Handle = *mut Opaque;

/// What a handle points to: nothing.
#[repr(C)]
pub(crate) struct Opaque {
    nothing: [u8; 0],
}

/// `nvmlConfComputeGpuAttestationReport_t`.
#[repr(C)]
pub(crate) struct GpuReport {
    has_cec: c_uint,
    size: c_uint,
    cec_size: c_uint,
    nonce: [u8; 32],
    report: [u8; 0x2000],
    cec: [u8; 0x1000],
}

/// `nvmlConfComputeGpuCertificate_t`.
#[repr(C)]
pub(crate) struct GpuCertificates {
    size: c_uint,
    attestation_size: c_uint,
    certificates: [u8; 0x1000],
    attestation: [u8; 0x1400],
}

/// `nvmlConfComputeSystemState_t`.
#[repr(C)]
pub(crate) struct State {
    environment: c_uint,
    feature: c_uint,
    devtools: c_uint,
}

/// `nvmlSystemConfComputeSettings_v1_t`.
#[repr(C)]
pub(crate) struct Settings {
    version: c_uint,
    environment: c_uint,
    feature: c_uint,
    devtools: c_uint,
    multi_gpu: c_uint,
}

/// `nvmlConfComputeSystemCaps_t`.
#[repr(C)]
pub(crate) struct Capabilities {
    cpu: c_uint,
    gpus: c_uint,
}

/// Runs what a call does. A panic must not reach the caller.
fn answered(work: impl FnOnce() -> Result<(), Code>) -> c_uint {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code,
        Err(_panic) => UNKNOWN,
    }
}

/// Writes `value` to where the caller wants it.
fn write<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the pointer is the caller's and not null. What was there has no destructor.
    unsafe { to.write(value) };
    Ok(())
}

/// The structure of the caller's.
fn borrow<'a, T>(of: *mut T) -> Result<&'a mut T, Code> {
    // SAFETY: the pointer is the caller's, for the call in which the reference lives. All bytes are valid for each structure here.
    unsafe { of.as_mut() }.ok_or(INVALID_ARGUMENT)
}

/// The index of a GPU.
fn index(of: Handle) -> Result<usize, Code> {
    of.addr().checked_sub(1).ok_or(INVALID_ARGUMENT)
}

/// The first bytes of an array of the caller's.
fn fill(array: &mut [u8], bytes: &[u8]) -> Result<(), Code> {
    array.get_mut(..bytes.len()).ok_or(INSUFFICIENT_SIZE)?.copy_from_slice(bytes);
    Ok(())
}

/// `nvmlInit_v2`.
// SAFETY: no other function of this process has the name but NVML's own, in whose place this one is loaded.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlInit_v2() -> c_uint {
    answered(|| Driver::at("nvmlInit_v2").map(|driver| driver.begin()))
}

/// `nvmlInitWithFlags`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> c_uint {
    answered(|| Driver::at("nvmlInitWithFlags").map(|driver| driver.begin()))
}

/// `nvmlShutdown`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlShutdown() -> c_uint {
    answered(|| Driver::begun("nvmlShutdown").map(|driver| driver.end()))
}

/// `nvmlErrorString`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlErrorString(code: c_uint) -> *const c_char {
    words(code).as_ptr()
}

/// `nvmlSystemGetDriverVersion`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlSystemGetDriverVersion(version: *mut u8, length: c_uint) -> c_uint {
    answered(|| {
        let text = Driver::begun("nvmlSystemGetDriverVersion")?.version();
        let length = usize::try_from(length).map_err(|_large| INVALID_ARGUMENT)?;
        if version.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        if text.len() >= length {
            return Err(INSUFFICIENT_SIZE);
        }
        // SAFETY: the pointer is the caller's, of `length` bytes, which are more than those of the text and the NUL behind it.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr(), version, text.len());
            version.add(text.len()).write(0);
        }
        Ok(())
    })
}

/// `nvmlDeviceGetCount_v2`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_uint {
    answered(|| {
        let found = Driver::begun("nvmlDeviceGetCount_v2")?.gpus().len();
        write(count, c_uint::try_from(found).map_err(|_large| UNKNOWN)?)
    })
}

/// `nvmlDeviceGetHandleByIndex_v2`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Handle) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlDeviceGetHandleByIndex_v2")?;
        let index = usize::try_from(index).map_err(|_large| INVALID_ARGUMENT)?;
        driver.gpu(index)?;
        write(device, ptr::without_provenance_mut(index.saturating_add(1)))
    })
}

/// `nvmlDeviceGetConfComputeGpuAttestationReport`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlDeviceGetConfComputeGpuAttestationReport(
    device: Handle,
    report: *mut GpuReport,
) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlDeviceGetConfComputeGpuAttestationReport")?;
        let answer = borrow(report)?;
        let (bytes, size) = driver.report(index(device)?, &answer.nonce)?;
        fill(&mut answer.report, &bytes)?;
        (answer.has_cec, answer.size, answer.cec_size) = (0, size, 0);
        Ok(())
    })
}

/// `nvmlDeviceGetConfComputeGpuCertificate`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlDeviceGetConfComputeGpuCertificate(
    device: Handle,
    certificates: *mut GpuCertificates,
) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlDeviceGetConfComputeGpuCertificate")?;
        let answer = borrow(certificates)?;
        let text = driver.certificates(index(device)?)?;
        fill(&mut answer.attestation, &text)?;
        answer.size = 0;
        answer.attestation_size = c_uint::try_from(text.len()).map_err(|_large| UNKNOWN)?;
        Ok(())
    })
}

/// `nvmlSystemGetConfComputeState`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlSystemGetConfComputeState(state: *mut State) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlSystemGetConfComputeState")?;
        let config = driver.config();
        let (environment, feature, devtools) = (config.environment, config.feature, driver.devtools());
        write(state, State { environment, feature, devtools })
    })
}

/// `nvmlSystemGetConfComputeSettings`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlSystemGetConfComputeSettings(settings: *mut Settings) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlSystemGetConfComputeSettings")?;
        let (answer, config) = (borrow(settings)?, driver.config());
        if answer.version != 0x0100_0014 {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        (answer.environment, answer.feature) = (config.environment, config.feature);
        (answer.devtools, answer.multi_gpu) = (driver.devtools(), config.multi_gpu);
        Ok(())
    })
}

/// `nvmlSystemGetConfComputeCapabilities`: a TDX guest's.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlSystemGetConfComputeCapabilities(capabilities: *mut Capabilities) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlSystemGetConfComputeCapabilities")?;
        write(capabilities, Capabilities { cpu: 2, gpus: c_uint::from(driver.is_capable()) })
    })
}

/// `nvmlSystemGetConfComputeGpusReadyState`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlSystemGetConfComputeGpusReadyState(is_ready: *mut c_uint) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlSystemGetConfComputeGpusReadyState")?;
        write(is_ready, c_uint::from(driver.is_ready()))
    })
}

/// `nvmlSystemSetConfComputeGpusReadyState`.
// SAFETY: as of nvmlInit_v2.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlSystemSetConfComputeGpusReadyState(is_ready: c_uint) -> c_uint {
    answered(|| {
        let driver = Driver::begun("nvmlSystemSetConfComputeGpusReadyState")?;
        match is_ready {
            0 => driver.set_ready(false),
            1 => driver.set_ready(true),
            _ => Err(INVALID_ARGUMENT),
        }
    })
}
