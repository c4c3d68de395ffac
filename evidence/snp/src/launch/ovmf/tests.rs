//! Tests on synthetic images: every rule, one image each.

#![expect(clippy::arithmetic_side_effects, reason = "the lengths of small synthetic images do not overflow")]

use super::*;

const OTHER: Guid = Guid::new(1, 2, 3, [4; 8]);

/// Appends an entry: its data, its length, its GUID.
fn push(table: &mut Vec<u8>, guid: Guid, data: &[u8]) {
    table.extend(data);
    table.extend(u16::try_from(data.len() + ENTRY_BYTES).unwrap().to_le_bytes());
    table.extend(guid.0);
}

fn flat(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The SEV metadata of these sections.
fn metadata(sections: &[[u32; 3]]) -> Vec<u8> {
    let count = u32::try_from(sections.len()).unwrap();
    let header = flat(&[u32::from_le_bytes(*b"ASEV"), 16 + 12 * count, 1, count]);
    [header, flat(sections.as_flattened())].concat()
}

/// An image with this metadata and these entries: the metadata, the table, and 32 bytes.
fn image(metadata: &[u8], entries: &[(Guid, Vec<u8>)]) -> Vec<u8> {
    let mut table = Vec::new();
    for (guid, data) in entries {
        push(&mut table, *guid, data);
    }
    let length = u16::try_from(table.len() + ENTRY_BYTES).unwrap();
    table.extend(length.to_le_bytes());
    table.extend(FOOTER.0);
    [metadata, &table, &[0; 32]].concat()
}

/// The distance of the metadata to the end, in an image with the entries of [`entries`].
const OFFSET: u32 = 32 + 18 + 22 + 26 + 22;

fn entries() -> Vec<(Guid, Vec<u8>)> {
    vec![
        (METADATA, flat(&[OFFSET + 16 + 24])),
        (HASH_TABLE, flat(&[0x81_0c00, 0x400])),
        (RESET_BLOCK, flat(&[0x80_b004])),
    ]
}

const SECTIONS: [[u32; 3]; 2] = [[0x80_0000, 0x2000, 1], [0x81_0000, 0x1000, 16]];

/// The error of an image whose metadata is changed.
fn sections_error(sections: &[[u32; 3]]) -> LaunchError {
    let sections = sections
        .iter()
        .map(|&[gpa, size, kind]| Ok(Section { gpa, size, kind: kind.try_into()? }))
        .collect::<Result<Vec<_>, LaunchError>>();
    let check = |sections| FirmwareMetadata { sections, hashes_table_gpa: None, reset_eip: 1 }.check();
    sections.and_then(check).unwrap_err()
}

/// The error of an image whose entries are changed.
fn entries_error(change: impl FnOnce(&mut Vec<(Guid, Vec<u8>)>)) -> LaunchError {
    let mut entries = entries();
    change(&mut entries);
    FirmwareMetadata::parse(&image(&metadata(&SECTIONS), &entries)).unwrap_err()
}

#[test]
fn a_well_formed_image_is_parsed() {
    let parsed = FirmwareMetadata::parse(&image(&metadata(&SECTIONS), &entries())).unwrap();
    let sections = vec![
        Section { gpa: 0x80_0000, size: 0x2000, kind: SectionKind::SecMemory },
        Section { gpa: 0x81_0000, size: 0x1000, kind: SectionKind::KernelHashes },
    ];
    assert_eq!(
        parsed,
        FirmwareMetadata { sections, hashes_table_gpa: Some(0x81_0c00), reset_eip: 0x80_b004 }
    );
    let mut unsupported = entries();
    unsupported[1].1 = flat(&[0, 0]);
    let parsed = FirmwareMetadata::parse(&image(&metadata(&SECTIONS), &unsupported)).unwrap();
    assert_eq!(parsed.hashes_table_gpa, None);
}

#[test]
fn sections_follow_their_rules() {
    use LaunchError as E;
    use SectionKind as K;
    assert_eq!(sections_error(&[[0, 0x1000, 5]]), E::SectionKind { found: 5 });
    assert_eq!(sections_error(&[[0, 0x1000, 0x101]]), E::SectionKind { found: 0x101 });
    for [gpa, size] in [[0x800, 0x1000], [0, 0x800], [0, 0], [0xffff_f000, 0x2000]] {
        assert_eq!(sections_error(&[[gpa, size, 1]]), E::SectionRange { gpa, size });
    }
    for (number, kind) in [(2, K::Secrets), (3, K::Cpuid), (16, K::KernelHashes)] {
        assert_eq!(sections_error(&[[0, 0x2000, number]]), E::SectionSize { kind, found: 0x2000 });
        let twice = [[0, 0x1000, number], [0x1000, 0x1000, number]];
        assert_eq!(sections_error(&twice), E::DuplicateSection { kind });
    }
    let overlap = sections_error(&[[0x2000, 0x1000, 1], [0, 0x3000, 4]]);
    assert_eq!(overlap, E::SectionOverlap { first: 0, second: 0x2000 });
    assert_eq!(sections_error(&[[0, 0x1000_1000, 1]]), E::MetadataPages { found: 65_537 });
    assert_eq!(sections_error(&vec![[0, 0x1000, 1]; 65]), E::SectionCount { found: 65 });

    let parsed = FirmwareMetadata::parse(&image(&metadata(&SECTIONS), &entries())).unwrap();
    assert_eq!(parsed.check_below(0x81_1000), Ok(()));
    let overlap = E::SectionOverlap { first: 0x81_0000, second: 0x81_0000 };
    assert_eq!(parsed.check_below(0x81_0000), Err(overlap));
}

#[test]
fn entries_follow_their_rules() {
    use LaunchError as E;
    assert_eq!(entries_error(|e| e.remove(0).0 = OTHER), E::MissingEntry { guid: METADATA });
    assert_eq!(entries_error(|e| e.remove(2).0 = OTHER), E::MissingEntry { guid: RESET_BLOCK });
    assert_eq!(entries_error(|e| e.push((RESET_BLOCK, flat(&[1])))), E::DuplicateEntry { guid: RESET_BLOCK });
    assert_eq!(entries_error(|e| e.push((FOOTER, Vec::new()))), E::DuplicateEntry { guid: FOOTER });
    let twice = |e: &mut Vec<_>| e.extend(vec![(OTHER, Vec::new()); 2]);
    assert_eq!(entries_error(twice), E::DuplicateEntry { guid: OTHER });
    let many = |e: &mut Vec<_>| e.extend((0..62).map(|n| (Guid([n; 16]), Vec::new())));
    assert_eq!(entries_error(many), E::EntryCount);
    let data = |guid, expected, found| E::EntryData { guid, expected, found };
    assert_eq!(entries_error(|e| e[0].1.push(0)), data(METADATA, 4, 5));
    assert_eq!(entries_error(|e| e[1].1.truncate(4)), data(HASH_TABLE, 8, 4));
    assert_eq!(entries_error(|e| e[2].1.clear()), data(RESET_BLOCK, 4, 0));
    assert_eq!(entries_error(|e| e[2].1 = flat(&[0])), E::ResetVector);
    assert_eq!(entries_error(|e| e[1].1 = flat(&[0x1000, 175])), E::HashesTableSize { found: 175 });
    for offset in [0, 15, 10_000, u32::MAX] {
        assert_eq!(entries_error(|e| e[0].1 = flat(&[offset])), E::MetadataOffset { offset });
    }
}

#[test]
fn the_table_is_walked_to_its_start() {
    use LaunchError as E;
    let whole = image(&metadata(&SECTIONS), &entries());
    let end = whole.len() - 32;
    let changed = |offset: usize, value: u16| {
        let mut image = whole.clone();
        image[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
        FirmwareMetadata::parse(&image).unwrap_err()
    };
    for found in [0, 17, 0xffff] {
        assert_eq!(changed(end - 18, found), E::TableLength { found });
        assert_eq!(changed(end - 36, found), E::EntryLength { guid: RESET_BLOCK, found });
    }
    // One byte more than the table has, in front of its first entry.
    assert_eq!(changed(end - 18, 18 + 22 + 26 + 22 + 1), E::TableRemainder { found: 1 });
    assert_eq!(FirmwareMetadata::parse(&[0; 49]), Err(E::NoFooter));
    assert_eq!(FirmwareMetadata::parse(&whole[..whole.len() - 1]), Err(E::NoFooter));
}

#[test]
fn the_metadata_header_is_exact() {
    use LaunchError as E;
    let changed = |word: usize, value: u32| {
        let mut metadata = metadata(&SECTIONS);
        metadata[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
        FirmwareMetadata::parse(&image(&metadata, &entries())).unwrap_err()
    };
    let signature = E::MetadataSignature { found: *b"ASEW" };
    assert_eq!(changed(0, u32::from_le_bytes(*b"ASEW")), signature);
    assert_eq!(changed(1, 41), E::MetadataLength { length: 41, sections: 2 });
    assert_eq!(changed(2, 2), E::MetadataVersion { found: 2 });
    assert_eq!(changed(3, 1), E::MetadataLength { length: 40, sections: 1 });
    assert_eq!(changed(3, 65), E::SectionCount { found: 65 });
    assert_eq!(changed(3, u32::MAX), E::SectionCount { found: usize::try_from(u32::MAX).unwrap() });
}
