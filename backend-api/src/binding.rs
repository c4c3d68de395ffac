//! The identity of what runs, and what bound each part of it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::{Authority, BindingGraph, Descriptor, Error, ErrorKind, Ledger, Result, verified::complete};

/// A part of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Field {
    /// The application: 20 bytes.
    AppId,
    /// SHA-256 of the application's composition.
    ComposeHash,
    /// SHA-256 of the processor's unique id.
    DeviceId,
    /// The policy for devices beside the CPU: SHA-256.
    GpuPolicyHash,
    /// SHA-256 of each script that runs before the application, one after the other; empty: there are none.
    InitScriptHashes,
    /// The instance: 20 bytes.
    InstanceId,
    /// Who provides keys: `{"name":…,"id":…}` as UTF-8.
    KeyProvider,
    /// SHA-256 of the DER SubjectPublicKeyInfo of the key management system's root key.
    KmsRootKeyHash,
    /// SHA-256 over all that was measured, the application included.
    MrAggregated,
    /// SHA-256 over what was measured of the system.
    MrSystem,
    /// SHA-256 of the operating system image's checksum file.
    OsImageHash,
    /// The root of the file system's integrity tree: SHA-256.
    RootfsHash,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 12] = [
        Self::AppId,
        Self::ComposeHash,
        Self::DeviceId,
        Self::GpuPolicyHash,
        Self::InitScriptHashes,
        Self::InstanceId,
        Self::KeyProvider,
        Self::KmsRootKeyHash,
        Self::MrAggregated,
        Self::MrSystem,
        Self::OsImageHash,
        Self::RootfsHash,
    ];

    /// Whether it pins the software that was launched.
    pub const fn pins_image(self) -> bool {
        matches!(self, Self::MrAggregated | Self::MrSystem | Self::OsImageHash)
    }

    /// Whether it is only what the launched software says: of no worth to a relying party that does not know that software by
    /// its measurement or its image.
    pub const fn needs_known_image(self) -> bool {
        !self.pins_image() && !matches!(self, Self::DeviceId)
    }

    /// Whether it pins the application: its composition, or who hands it its keys.
    pub const fn pins_application(self) -> bool {
        matches!(self, Self::ComposeHash | Self::KmsRootKeyHash | Self::MrAggregated)
    }

    /// Whether it is only what the host says of the application: any composition can be launched under it.
    pub const fn needs_known_application(self) -> bool {
        matches!(
            self,
            Self::AppId | Self::GpuPolicyHash | Self::InitScriptHashes | Self::InstanceId | Self::KeyProvider
        )
    }

    /// Its name in policies and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppId => "app-id",
            Self::ComposeHash => "compose-hash",
            Self::DeviceId => "device-id",
            Self::GpuPolicyHash => "gpu-policy-hash",
            Self::InitScriptHashes => "init-script-hashes",
            Self::InstanceId => "instance-id",
            Self::KeyProvider => "key-provider",
            Self::KmsRootKeyHash => "kms-root-key-hash",
            Self::MrAggregated => "mr-aggregated",
            Self::MrSystem => "mr-system",
            Self::OsImageHash => "os-image-hash",
            Self::RootfsHash => "rootfs-hash",
        }
    }
}

/// What bound a field to the Evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Lane {
    /// The registers of the boot, whose values a relying party lists for an image.
    BootRegisters,
    /// A document whose hash the host data of the report holds.
    HostData,
    /// The launch measurement, by recomputation.
    LaunchMeasurement,
    /// The kernel command line, whose hash is part of the launch measurement.
    MeasuredCommandLine,
    /// The hardware's signed report itself.
    Report,
    /// A runtime register, by replay of its log.
    RuntimeRegister,
}

/// A value and what bound it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// The value.
    #[serde(serialize_with = "as_hex")]
    pub value: Vec<u8>,
    /// What bound it.
    pub lane: Lane,
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

/// What runs: every field that something bound. A field that nothing bound is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Identity(BTreeMap<Field, Bound>);

impl Identity {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a field.
    pub fn bind(&mut self, field: Field, value: impl Into<Vec<u8>>, lane: Lane) {
        self.0.insert(field, Bound { value: value.into(), lane });
    }

    /// Adds fields by their names ([`Field::name`]).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] for a name that no field has.
    pub fn bind_named(
        &mut self,
        fields: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
        lane: Lane,
    ) -> Result<()> {
        for (name, value) in fields {
            let field = Field::ALL.into_iter().find(|field| field.name() == name);
            let field = field.ok_or_else(|| {
                Error::new(ErrorKind::Internal, format_args!("an identity has no field {name}"))
            })?;
            self.bind(field, value, lane);
        }
        Ok(())
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<&[u8]> {
        self.0.get(&field).map(|bound| bound.value.as_slice())
    }

    /// Every field with its value and what bound it.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &Bound)> {
        self.0.iter().map(|(field, bound)| (*field, bound))
    }
}

/// What a guest measured of the devices beside its CPU before it was ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    /// The payload of the one event for devices.
    pub payload: Vec<u8>,
    /// The register that holds it, such as `RTMR3`.
    pub register: &'static str,
    /// Who vouches for the register.
    pub authority: Authority,
}

impl DeviceEvent {
    /// An event in a register that `authority` vouches for.
    pub const fn new(payload: Vec<u8>, register: &'static str, authority: Authority) -> Self {
        Self { payload, register, authority }
    }
}

/// An identity that verified Evidence holds.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeBinding {
    identity: Identity,
    device_event: Option<DeviceEvent>,
    ledger: Ledger,
    graph: BindingGraph,
    notes: BTreeMap<&'static str, String>,
}

impl RuntimeBinding {
    /// A backend's assertion that it bound `identity`: the one origin of this type.
    ///
    /// `notes` say what the binding does not cover, such as `acpi: unmeasured`.
    ///
    /// # Errors
    ///
    /// [`Internal`](crate::ErrorKind::Internal) if the ledger misses a check that the descriptor declares for
    /// `bind_runtime`, or has others.
    pub fn assertion(
        descriptor: &Descriptor,
        identity: Identity,
        ledger: Ledger,
        graph: BindingGraph,
        notes: BTreeMap<&'static str, String>,
    ) -> Result<Self> {
        complete(descriptor, descriptor.bind_checks, &ledger)?;
        Ok(Self { identity, device_event: None, ledger, graph, notes })
    }

    /// The same binding of a CPU whose guest measured this of the devices beside it.
    #[must_use]
    pub fn with_device_event(mut self, event: Option<DeviceEvent>) -> Self {
        self.device_event = event;
        self
    }

    /// What the guest measured of the devices beside its CPU before it was ready; `None` if nothing, or where the platform has no
    /// register for it.
    pub const fn device_event(&self) -> Option<&DeviceEvent> {
        self.device_event.as_ref()
    }

    /// What runs.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Every declared check, and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What holds the parts together.
    pub const fn graph(&self) -> &BindingGraph {
        &self.graph
    }

    /// What the binding does not cover.
    pub const fn notes(&self) -> &BTreeMap<&'static str, String> {
        &self.notes
    }
}
