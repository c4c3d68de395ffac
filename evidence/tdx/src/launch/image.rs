//! What an image fixes of a launch: kernel, command line, initrd.

use super::LaunchError;
use super::sha384::sha384;

/// The digests of a directly booted Linux image, 48 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageMeasurement {
    /// Authenticode SHA-384 of the kernel as the firmware loads it: [`super::authenticode_sha384`].
    ///
    /// QEMU writes into the setup header of a Linux kernel, among it where the initrd lies, before the
    /// firmware measures it: this is the digest of the changed kernel, which an image's document states, and
    /// not of the file.
    pub kernel_authenticode: [u8; 48],
    /// SHA-384 of the command line as the kernel gets it: [`cmdline_sha384`].
    pub cmdline_sha384: [u8; 48],
    /// SHA-384 of the initrd: [`initrd_sha384`].
    pub initrd_sha384: [u8; 48],
}

/// What OVMF adds to the command line, so that the kernel's EFI stub asks for the initrd.
const INITRD_ARGUMENT: &str = " initrd=initrd";

/// SHA-384 of a command line as the kernel's EFI stub gets it and measures it: with OVMF's ` initrd=initrd`
/// after it, in UTF-16LE, with one NUL. `cmdline` is what the VMM was given, untrimmed.
///
/// # Errors
///
/// [`LaunchError::Cmdline`] for NUL and for anything that is not ASCII: OVMF widens bytes, not characters.
pub fn cmdline_sha384(cmdline: &str) -> Result<[u8; 48], LaunchError> {
    if let Some(offset) = cmdline.bytes().position(|byte| byte == 0 || !byte.is_ascii()) {
        return Err(LaunchError::Cmdline { offset });
    }
    let text = [cmdline, INITRD_ARGUMENT, "\0"].concat();
    let wide: Vec<[u8; 2]> = text.encode_utf16().map(u16::to_le_bytes).collect();
    Ok(sha384(&[wide.as_flattened()]))
}

/// SHA-384 of an initrd as the kernel's EFI stub loads it: of its bytes.
#[must_use]
pub fn initrd_sha384(initrd: &[u8]) -> [u8; 48] {
    sha384(&[initrd])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python: `hashlib.sha384(("console=ttyS0" + " initrd=initrd\0").encode("utf-16-le")).hexdigest()`.
    #[test]
    fn the_command_line_is_widened_and_extended() {
        assert_eq!(
            hex::encode(cmdline_sha384("console=ttyS0").unwrap()),
            "1d26f8aff8992fdfc37e88b4fdf4a1a0ebb815a2ce925ea3046b3ba1f24a933e75a163af2af579268c20ca5f476f5386"
        );
        assert_ne!(cmdline_sha384("quiet"), cmdline_sha384("quiet "));
    }

    #[test]
    fn what_the_firmware_would_not_widen_is_refused() {
        assert_eq!(cmdline_sha384("a\0b"), Err(LaunchError::Cmdline { offset: 1 }));
        assert_eq!(cmdline_sha384("ab\u{e9}"), Err(LaunchError::Cmdline { offset: 2 }));
    }

    /// FIPS 180-4 example: SHA-384 of "abc".
    #[test]
    fn the_initrd_is_hashed_as_it_is() {
        let abc = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                   8086072ba1e7cc2358baeca134c825a7";
        assert_eq!(hex::encode(initrd_sha384(b"abc")), abc);
    }
}
