//! What the simulated AMD forges.

use backend_baremetal_snp::SnpEvidence;
use lab::amd::{
    CertTable, FirmwareDefect, FirmwareSpec, Guest, Hierarchy, Product, ReportSpec, TableDefect, VekKind,
    VekSpec, crl_spec, guid,
};

use crate::{Seeds, dstack::attestations, pem};

fn veks() -> impl Iterator<Item = VekSpec> {
    Product::ALL.into_iter().flat_map(|product| [VekSpec::vcek(product), VekSpec::vlek(product)])
}

pub fn reports() -> Seeds {
    let mut seeds = Seeds::new();
    for spec in veks() {
        let (product, vek) = (spec.product, spec.issue(&Hierarchy::new(spec.product)));
        for version in 2..=5 {
            let report = match spec.kind {
                VekKind::Vcek => ReportSpec::new(product, version),
                VekKind::Vlek => ReportSpec::new_vlek(product, version),
            };
            let name = format!("{}-{:?}-{version}", product.name(), spec.kind);
            seeds.push((name, report.sign(&vek)));
        }
    }
    seeds
}

pub fn certificates() -> Seeds {
    let mut seeds = Seeds::new();
    for product in Product::ALL {
        let hierarchy = Hierarchy::new(product);
        for (name, der) in [("ark", hierarchy.ark()), ("ask", hierarchy.ask()), ("asvk", hierarchy.asvk())] {
            seeds.push((format!("{name}-{}", product.name()), der.to_vec()));
        }
    }
    for spec in veks() {
        let der = spec.issue(&Hierarchy::new(spec.product)).der;
        let name = format!("{:?}-{}", spec.kind, spec.product.name());
        seeds.push((format!("{name}.pem"), pem(&der).into_bytes()));
        seeds.push((name, der));
    }
    let chain = Guest::new(Product::Genoa).chain();
    seeds.push(("chain.pem".to_owned(), chain.iter().map(|der| pem(der)).collect::<String>().into_bytes()));
    seeds
}

pub fn certificate_tables() -> Seeds {
    let mut seeds = Seeds::new();
    for spec in veks() {
        let hierarchy = Hierarchy::new(spec.product);
        let table = CertTable::chain(&hierarchy, &spec.issue(&hierarchy), spec.kind);
        seeds.push((format!("{}-{:?}", spec.product.name(), spec.kind), table.bytes()));
    }
    for defect in TableDefect::ALL {
        let small = CertTable { defect: Some(defect), ..CertTable::default() };
        let small = small.with(guid::VCEK, b"one").with(guid::ASK, b"another");
        seeds.push((format!("{defect:?}"), small.bytes()));
    }
    seeds
}

pub fn revocation_lists() -> Seeds {
    let mut seeds = Seeds::new();
    for product in Product::ALL {
        let hierarchy = Hierarchy::new(product);
        let list = crl_spec(&hierarchy);
        seeds.push((product.name().to_owned(), list.sign(hierarchy.ark_key())));
        let revoking = list.revoke(&hierarchy.ask_serial()).revoke(&hierarchy.asvk_serial());
        seeds.push((format!("{}-revoking", product.name()), revoking.sign(hierarchy.ark_key())));
    }
    seeds
}

pub fn firmware() -> Seeds {
    // Two pages: as small as an image with its tables can be, because that is where inputs are read from.
    let spec = FirmwareSpec { size: 8192, ..FirmwareSpec::default() };
    let without = FirmwareSpec { size: 8192, ..FirmwareSpec::without_kernel_hashes() };
    let mut seeds =
        vec![("sound".to_owned(), spec.bytes()), ("without-kernel-hashes".to_owned(), without.bytes())];
    for defect in [
        FirmwareDefect::FooterGuid,
        FirmwareDefect::TableTooShort,
        FirmwareDefect::TableCutsEntry,
        FirmwareDefect::EntryTooShort,
        FirmwareDefect::EntryTooLong,
        FirmwareDefect::DuplicateEntry,
        FirmwareDefect::EntryDataLength,
        FirmwareDefect::MetadataTruncated,
        FirmwareDefect::MetadataVersion,
        FirmwareDefect::MetadataLength,
        FirmwareDefect::SectionCount,
    ] {
        seeds.push((format!("{defect:?}"), spec.clone().with_defect(defect).bytes()));
    }
    seeds
}

pub fn payloads(guest: &Guest) -> Seeds {
    let mut seeds = Seeds::new();
    let bare = SnpEvidence::new(guest.report_for(&[7; 64]), guest.chain());
    let converted = attestations(guest)
        .into_iter()
        .filter_map(|(_, attestation)| SnpEvidence::from_dstack(&attestation).ok());
    for (index, evidence) in converted.chain([bare]).enumerate() {
        // Without what the target puts in itself.
        let small = SnpEvidence { report: Default::default(), certificates: Vec::new(), ..evidence.clone() };
        seeds.push((format!("payload-{index}"), evidence.encode()));
        seeds.push((format!("payload-{index}-small"), small.encode()));
    }
    seeds
}
