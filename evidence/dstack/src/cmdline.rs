//! Application identity in a measured kernel command line.
//!
//! Where the launch measurement covers the kernel hashes, it covers the command line, and with it these
//! tokens:
//!
//! | key | value |
//! |---|---|
//! | `dstack.rootfs_hash` | 64 hex digits: the root file system's verity hash |
//! | `dstack.app_id` | 40 hex digits |
//! | `dstack.compose_hash` | 64 hex digits |
//! | `dstack.kms_root_pubkey_hash` | 64 hex digits: SHA-256 of the KMS root key (DER SubjectPublicKeyInfo) |
//! | `dstack.instance_id` | 40 hex digits |
//!
//! The kernel, its init and this parser must see the same tokens, so whatever they could read differently is
//! an error: a key given twice, quotes in or around a `dstack.` token, a dash for an underscore (the kernel
//! takes them for the same), a byte that is not printable ASCII (a kernel that is started through UEFI stops reading at a
//! line feed), a command line that is longer than the kernel reads. After a token `--` the kernel passes
//! arguments to init unread; they are not read here either, and a `dstack.` token among them is an error.
//!
//! Source: kernel parameters as in Linux `Documentation/admin-guide/kernel-parameters.rst`;
//! `dstack.rootfs_hash` as in `dstack-mr/src/sev.rs`.

/// The longest command line, in bytes: what Linux keeps on x86 beside the NUL (`COMMAND_LINE_SIZE`, 2048), less the
/// ` initrd=initrd` that the firmware may add. What lies behind is measured, and no kernel reads it.
pub const MAX_CMDLINE: usize = 2033;

const NAMESPACE: &str = "dstack.";

/// What a command line says about the application; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CmdlineIdentity {
    /// The root file system's verity hash.
    pub rootfs_hash: Option<[u8; 32]>,
    /// Application id.
    pub app_id: Option<[u8; 20]>,
    /// SHA-256 of the application's compose file.
    pub compose_hash: Option<[u8; 32]>,
    /// SHA-256 of the DER SubjectPublicKeyInfo of the KMS root key.
    pub kms_root_pubkey_hash: Option<[u8; 32]>,
    /// Instance id.
    pub instance_id: Option<[u8; 20]>,
}

/// Why a command line was refused. Offsets are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CmdlineError {
    /// Longer than a kernel accepts.
    #[error("command line of at most {MAX_CMDLINE} bytes expected, found {found}")]
    TooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// A byte outside ASCII or a control character, some of which separate tokens for the kernel only.
    #[error("printable ascii expected in the command line, found another byte at offset {offset}")]
    NotPrintable {
        /// Where it stands.
        offset: usize,
    },
    /// A key given twice.
    #[error("{key} once expected in the command line, found twice")]
    Duplicate {
        /// The key.
        key: &'static str,
    },
    /// No value, or one that is not so many hex digits.
    #[error("{digits} hex digits expected for {key}, found something else")]
    Malformed {
        /// The key.
        key: &'static str,
        /// The number of hex digits expected.
        digits: usize,
    },
    /// A quote character in or around a `dstack.` token.
    #[error("no quotes expected around dstack keys, found some in or before token {token}")]
    Quoted {
        /// The token, from 0.
        token: usize,
    },
    /// A key that the kernel takes for another one.
    #[error("{key} expected with underscores, found dashes")]
    Spelling {
        /// The key as it should be.
        key: &'static str,
    },
    /// A `dstack.` token among init's arguments.
    #[error("no dstack keys expected after --, found one in token {token}")]
    AfterSeparator {
        /// The token, from 0.
        token: usize,
    },
}

impl CmdlineIdentity {
    /// Reads the identity from a command line. Tokens are separated by spaces; other keys,
    /// of `dstack.` too (such as `dstack.rootfs_size`), are not identity and are skipped.
    ///
    /// # Errors
    ///
    /// [`CmdlineError`] for anything that two readers could understand differently.
    pub fn parse(cmdline: &str) -> Result<Self, CmdlineError> {
        if cmdline.len() > MAX_CMDLINE {
            return Err(CmdlineError::TooLarge { found: cmdline.len() });
        }
        if let Some(offset) = cmdline.bytes().position(|byte| !is_printable(byte)) {
            return Err(CmdlineError::NotPrintable { offset });
        }
        let mut identity = Self::default();
        let (mut inside_quotes, mut after_separator) = (false, false);
        for (index, token) in cmdline.split_ascii_whitespace().enumerate() {
            let began_inside_quotes = inside_quotes;
            inside_quotes ^= token.bytes().filter(|&byte| byte == b'"').count() % 2 == 1;
            if token.trim_start_matches(['"', '\'']).starts_with(NAMESPACE) {
                if began_inside_quotes || token.contains(['"', '\'']) {
                    return Err(CmdlineError::Quoted { token: index });
                }
                if after_separator {
                    return Err(CmdlineError::AfterSeparator { token: index });
                }
                identity.read(token)?;
            }
            after_separator |= token == "--";
        }
        Ok(identity)
    }

    fn read(&mut self, token: &str) -> Result<(), CmdlineError> {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        let keys: [(&'static str, &mut dyn Slot); 5] = [
            ("dstack.rootfs_hash", &mut self.rootfs_hash),
            ("dstack.app_id", &mut self.app_id),
            ("dstack.compose_hash", &mut self.compose_hash),
            ("dstack.kms_root_pubkey_hash", &mut self.kms_root_pubkey_hash),
            ("dstack.instance_id", &mut self.instance_id),
        ];
        match keys.into_iter().find(|(key, _)| name.replace('-', "_") == *key) {
            None => Ok(()),
            Some((key, _)) if key != name => Err(CmdlineError::Spelling { key }),
            Some((key, slot)) => slot.fill(key, value),
        }
    }
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

/// A value that a command line gives at most once.
trait Slot {
    fn fill(&mut self, key: &'static str, value: &str) -> Result<(), CmdlineError>;
}

impl<const N: usize> Slot for Option<[u8; N]> {
    fn fill(&mut self, key: &'static str, value: &str) -> Result<(), CmdlineError> {
        let mut bytes = [0; N];
        let malformed = CmdlineError::Malformed { key, digits: N.saturating_mul(2) };
        hex::decode_to_slice(value, &mut bytes).map_err(|_| malformed)?;
        match self.replace(bytes) {
            None => Ok(()),
            Some(_) => Err(CmdlineError::Duplicate { key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    const APP: &str = "dstack.app_id=86e59625be93207bc2351c4d1bba20037cec8e16";

    fn refused(cmdline: &str) -> CmdlineError {
        CmdlineIdentity::parse(cmdline).unwrap_err()
    }

    #[test]
    fn real_command_line() {
        let path = "snp/milan-v3-dstack-e2e/launch_params.json";
        let Some(parameters) = vectors::read("cmdline::real_command_line", path) else { return };
        let parameters: serde_json::Value = serde_json::from_slice(&parameters).unwrap();
        let identity = CmdlineIdentity::parse(parameters["cmdline"].as_str().unwrap()).unwrap();
        let rootfs = "ca5adaef0ac3a36108035925763b48a5818f634e700fbaab561d419fd30d7121";
        assert_eq!(identity.rootfs_hash.map(hex::encode).as_deref(), Some(rootfs));
        assert_eq!(identity, CmdlineIdentity { rootfs_hash: identity.rootfs_hash, ..Default::default() });
    }

    #[test]
    fn every_key() {
        let (h32, h20) = ("ab".repeat(32), "cd".repeat(20));
        let cmdline = format!(
            "quiet dstack.rootfs_hash={h32} dstack.app_id={h20} dstack.compose_hash={h32} dm=\"a b\" \
             dstack.kms_root_pubkey_hash={h32} dstack.instance_id={h20} -- single"
        );
        let (hash, id) = (Some([0xab; 32]), Some([0xcd; 20]));
        let expected = CmdlineIdentity {
            rootfs_hash: hash,
            app_id: id,
            compose_hash: hash,
            kms_root_pubkey_hash: hash,
            instance_id: id,
        };
        assert_eq!(CmdlineIdentity::parse(&cmdline), Ok(expected));
        assert_eq!(CmdlineIdentity::parse("quiet xdstack.app_id=1"), Ok(CmdlineIdentity::default()));
    }

    #[test]
    fn refusals() {
        let key = "dstack.app_id";
        assert_eq!(refused(&format!("{APP} {APP}")), CmdlineError::Duplicate { key });
        let malformed = CmdlineError::Malformed { key, digits: 40 };
        let bad =
            ["", "=", "=zz", "=86e5", &format!("={}", "0".repeat(42)), &format!("=0x{}", "0".repeat(38))];
        for value in bad {
            assert_eq!(refused(&format!("{key}{value} quiet")), malformed);
        }
        assert_eq!(refused(&format!("\"{APP}\"")), CmdlineError::Quoted { token: 0 });
        assert_eq!(refused(&format!("{APP}\"")), CmdlineError::Quoted { token: 0 });
        assert_eq!(refused(&format!("a {APP}'")), CmdlineError::Quoted { token: 1 });
        assert_eq!(refused(&format!("a=\"b {APP} c\"")), CmdlineError::Quoted { token: 1 });
        assert_eq!(refused(&format!("-- a {APP}")), CmdlineError::AfterSeparator { token: 2 });
        assert_eq!(refused("-- dstack.other"), CmdlineError::AfterSeparator { token: 1 });
        assert_eq!(refused("dstack.app-id=1"), CmdlineError::Spelling { key });
        assert_eq!(refused("a \u{e9}"), CmdlineError::NotPrintable { offset: 2 });
        assert_eq!(refused("a\0b"), CmdlineError::NotPrintable { offset: 1 });
        for separator in ['\u{b}', '\t', '\n', '\r', '\u{c}'] {
            assert_eq!(refused(&format!("a{separator}b")), CmdlineError::NotPrintable { offset: 1 });
        }
        assert!(CmdlineIdentity::parse(&"a".repeat(MAX_CMDLINE)).is_ok());
        assert_eq!(refused(&"a".repeat(2034)), CmdlineError::TooLarge { found: 2034 });
    }
}
