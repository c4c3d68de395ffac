//! The registry behind a C interface.

use std::ffi::c_char;

use registry::Registry;

/// Writes the ids of the linked backends, one on each line and closed by NUL, and returns their length without it;
/// 0 if they do not fit into `length` bytes or do not agree.
///
/// A static library drops constructors: who builds one names each third party's registration.
///
/// # Safety
///
/// `buffer` points to `length` bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linked_backends(buffer: *mut c_char, length: usize) -> usize {
    let Ok(text) = ids() else { return 0 };
    if text.len() >= length {
        return 0;
    }
    // SAFETY: the caller promises `length` bytes, and the text with its NUL is no longer.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        buffer.add(text.len()).write(0);
    }
    text.len()
}

fn ids() -> Result<String, String> {
    let linked = Registry::linked().map_err(|error| error.to_string())?;
    let all = Registry::new(linked.iter().chain([&third_party::REGISTRATION]))
        .map_err(|error| error.to_string())?;
    Ok(all.iter().map(|found| format!("{}\n", found.backend.descriptor().id)).collect())
}
