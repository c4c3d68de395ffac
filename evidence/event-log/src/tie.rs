//! Which events' digests are hashes of their data.
//!
//! A digest is what a register holds; the data beside it is what somebody says about it. For some types the
//! Platform Firmware Profile (revision 1.05, section 10.4.1) defines the digest as the hash of the data, so
//! that the data can be checked. The README has the table, with what real logs were seen to do.

use crate::EventType;
use crate::reader::Reader;

/// What GRUB (2.04 and later) writes before the string that it hashes.
const GRUB_PREFIXES: [&[u8]; 3] = [b"grub_cmd: ", b"kernel_cmdline: ", b"module_cmdline: "];

/// Bytes of VariableName, the GUID that a UEFI_VARIABLE_DATA begins with.
const GUID_LEN: usize = 16;

/// How an event's data stands to its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie<'a> {
    /// The digest is the hash of exactly these bytes. They are all that was logged, with two exceptions:
    /// EV_EFI_VARIABLE_BOOT hashes the variable's value without its name, and GRUB's EV_IPL strings are hashed
    /// without their prefix and final zero. The type beside them is still no more than the log's word.
    Tied(&'a [u8]),
    /// The type defines the digest as the hash of the data, and it is another. A log that replays can have such
    /// events, because old boot loaders log other bytes than they hash: no claim, but no proof of an attack.
    Contradicted,
    /// The type does not define the digest as a hash of the data, or the log has no digest of this bank.
    Opaque,
}

/// What the type says about the digest.
enum Rule {
    /// It is the hash of the data.
    Data,
    /// It is the hash of VariableData inside of UEFI_VARIABLE_DATA.
    VariableData,
    /// It is the hash of the data where the measuring software chose so; the profile leaves it open.
    Convention,
    /// As [`Rule::Convention`]; GRUB hashes a part.
    InitialProgramLoader,
    /// It is the hash of something else, such as an image.
    SomethingElse,
}

const fn rule(event_type: EventType) -> Rule {
    match event_type {
        EventType::EV_SEPARATOR
        | EventType::EV_ACTION
        | EventType::EV_S_CRTM_VERSION
        | EventType::EV_EFI_VARIABLE_DRIVER_CONFIG
        | EventType::EV_EFI_VARIABLE_BOOT2
        | EventType::EV_EFI_VARIABLE_AUTHORITY
        | EventType::EV_EFI_GPT_EVENT
        | EventType::EV_EFI_ACTION => Rule::Data,
        EventType::EV_EFI_VARIABLE_BOOT => Rule::VariableData,
        EventType::EV_EVENT_TAG
        | EventType::EV_PLATFORM_CONFIG_FLAGS
        | EventType::EV_TABLE_OF_DEVICES
        | EventType::EV_NONHOST_CONFIG
        | EventType::EV_NONHOST_INFO
        | EventType::EV_OMIT_BOOT_DEVICE_EVENTS => Rule::Convention,
        EventType::EV_IPL => Rule::InitialProgramLoader,
        _ => Rule::SomethingElse,
    }
}

/// Ties `data` by `is_hashed`, which says whether the digest is the hash of the bytes given to it.
pub(crate) fn tie<'a>(event_type: EventType, data: &'a [u8], is_hashed: impl Fn(&[u8]) -> bool) -> Tie<'a> {
    let tied = |data: &'a [u8]| is_hashed(data).then_some(Tie::Tied(data));
    match rule(event_type) {
        Rule::Data => tied(data).unwrap_or(Tie::Contradicted),
        Rule::VariableData => variable_data(data).and_then(tied).unwrap_or(Tie::Contradicted),
        Rule::Convention => tied(data).unwrap_or(Tie::Opaque),
        Rule::InitialProgramLoader => tied(data).or_else(|| tied(grub_string(data)?)).unwrap_or(Tie::Opaque),
        Rule::SomethingElse => Tie::Opaque,
    }
}

/// VariableData of a UEFI_VARIABLE_DATA that is whole (Platform Firmware Profile, section 10.2.6).
fn variable_data(data: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(data);
    fields.bytes(GUID_LEN)?;
    let name_characters = usize::try_from(fields.u64()?).ok()?;
    let data_len = usize::try_from(fields.u64()?).ok()?;
    fields.bytes(name_characters.checked_mul(2)?)?;
    (fields.rest().len() == data_len).then_some(fields.rest())
}

fn grub_string(data: &[u8]) -> Option<&[u8]> {
    let data = data.strip_suffix(b"\0")?;
    GRUB_PREFIXES.iter().find_map(|prefix| data.strip_prefix(*prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_whole_or_no_variable() {
        let variable = |name_len: u64, data_len: u64| {
            [&[7; 16][..], &name_len.to_le_bytes(), &data_len.to_le_bytes(), b"a\0b\0value"].concat()
        };
        assert_eq!(variable_data(&variable(2, 5)), Some(b"value".as_slice()));
        for (name_len, data_len) in
            [(2, 4), (2, 6), (1, 5), (6, 0), (u64::MAX, 5), (1 << 63, 5), (2, u64::MAX)]
        {
            assert_eq!(variable_data(&variable(name_len, data_len)), None);
        }
    }

    #[test]
    fn each_rule() {
        let tie = |event_type, data, hashed: &[u8]| tie(event_type, data, |bytes| bytes == hashed);
        assert_eq!(tie(EventType::EV_SEPARATOR, b"data", b"data"), Tie::Tied(b"data"));
        assert_eq!(tie(EventType::EV_SEPARATOR, b"data", b"other"), Tie::Contradicted);
        assert_eq!(tie(EventType::EV_EVENT_TAG, b"data", b"data"), Tie::Tied(b"data"));
        assert_eq!(tie(EventType::EV_EVENT_TAG, b"data", b"other"), Tie::Opaque);
        assert_eq!(tie(EventType::EV_IPL, b"grub_cmd: ls\0", b"ls"), Tie::Tied(b"ls"));
        assert_eq!(
            tie(EventType::EV_IPL, b"grub_cmd: ls\0", b"grub_cmd: ls\0"),
            Tie::Tied(b"grub_cmd: ls\0")
        );
        assert_eq!(tie(EventType::EV_IPL, b"grub_cmd ls\0", b"ls"), Tie::Opaque);
        assert_eq!(tie(EventType::EV_EFI_VARIABLE_BOOT, b"data", b"data"), Tie::Contradicted);
        // Even where the bytes would hash to it: the type says that the digest is an image's.
        assert_eq!(tie(EventType::EV_EFI_BOOT_SERVICES_APPLICATION, b"data", b"data"), Tie::Opaque);
        assert_eq!(tie(EventType::EV_NO_ACTION, b"data", b"data"), Tie::Opaque);
        assert_eq!(tie(EventType(0x0800_0001), b"data", b"data"), Tie::Opaque);
    }
}
