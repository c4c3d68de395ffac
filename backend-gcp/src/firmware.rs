//! PCR0: what Google's vTPM says of the firmware and of the technology that the VM runs on.
//!
//! It is no measurement of firmware. Three events extend it, in this order (recomputed from logs of Google's VMs):
//!
//! 1. EV_S_CRTM_VERSION: `GCE Virtual Firmware v<n>`, UTF-16, little-endian, with a zero at the end,
//! 2. EV_NONHOST_INFO: `GCE NonHostInfo`, a zero, one byte for the technology, 15 zeros,
//! 3. EV_SEPARATOR: four zeros.

use evidence_event_log::Bank;

use crate::Tee;

/// The versions of the firmware's interface that are known.
pub const KNOWN_VERSIONS: [u8; 2] = [1, 2];

/// What a VM's memory is protected by, as the vTPM numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Technology {
    /// Nothing.
    None = 0,
    /// AMD SEV.
    Sev = 1,
    /// AMD SEV-ES.
    SevEs = 2,
    /// Intel TDX.
    Tdx = 3,
    /// AMD SEV-SNP.
    SevSnp = 4,
}

impl Technology {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Sev, Self::SevEs, Self::Tdx, Self::SevSnp];

    /// Its number.
    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Sev => 1,
            Self::SevEs => 2,
            Self::Tdx => 3,
            Self::SevSnp => 4,
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "no technology",
            Self::Sev => "SEV",
            Self::SevEs => "SEV-ES",
            Self::Tdx => "TDX",
            Self::SevSnp => "SEV-SNP",
        }
    }
}

impl From<Tee> for Technology {
    fn from(tee: Tee) -> Self {
        match tee {
            Tee::Snp => Self::SevSnp,
            Tee::Tdx => Self::Tdx,
        }
    }
}

/// PCR0 of a VM whose firmware has this version, on this technology.
pub fn pcr0(version: u8, technology: Technology, bank: Bank) -> Vec<u8> {
    let name = format!("GCE Virtual Firmware v{version}\0");
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let host_info = [&b"GCE NonHostInfo\0"[..], &[technology.number()], &[0; 15]].concat();
    let events = [&name[..], &host_info, &[0; 4]];
    events.iter().fold(bank.initial(), |value, event| bank.extended(&value, &bank.hash(&[event])))
}

/// Which version and technology lead to this value of PCR0; `None` for any other.
pub fn named_by(value: &[u8], bank: Bank) -> Option<(u8, Technology)> {
    let all = KNOWN_VERSIONS.into_iter().flat_map(|version| Technology::ALL.map(|of| (version, of)));
    all.into_iter().find(|(version, technology)| pcr0(*version, *technology, bank) == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that Google's VMs had, and dstack's and go-tpm-tools' constants.
    #[test]
    fn google_s_values() {
        let sha256 = |version, technology| hex::encode(pcr0(version, technology, Bank::Sha256));
        for (version, technology, value) in [
            (2, Technology::None, "d0c70a9310cd0b55767084333022ce53f42befbb69c059ee6c0a32766f160783"),
            (2, Technology::Sev, "a0b5ff3383a1116bd7dc6df177c0c2d433b9ee1813ea958fa5d166a202cb2a85"),
            (2, Technology::SevEs, "e26062f05fe819a16111273597662f87e0abfdae22fcb5ec4843b01bf225ce75"),
            (2, Technology::Tdx, "0cca9ec161b09288802e5a112255d21340ed5b797f5fe29cecccfd8f67b9f802"),
            (2, Technology::SevSnp, "50597a27846e91d025eef597abbc89f72bff9af849094db97b0684d8bc4c515e"),
            (1, Technology::SevSnp, "eadffa42b8bfc1e7154202876c588e7a53f39f620d946fbb09a36b4365d46ab9"),
        ] {
            assert_eq!(sha256(version, technology), value);
            assert_eq!(named_by(&hex::decode(value).unwrap(), Bank::Sha256), Some((version, technology)));
        }
        let sha384 = hex::encode(pcr0(2, Technology::SevSnp, Bank::Sha384));
        assert_eq!(
            sha384,
            "99df1a2dd3bb13aeb3eb4067e3081d58ec884ff31f15cd1e1998ec192abf43acb3406bd0a9a8c26f3e930ed6da80de66"
        );
        assert_eq!(named_by(&[0; 32], Bank::Sha256), None);
    }
}
