//! The conformance suite over the backends of this workspace.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure of a test helper is a failure of the test"
)]

#[path = "conformance/aws.rs"]
mod aws;
#[path = "conformance/aws_forgeries.rs"]
mod aws_forgeries;
#[path = "aws/payload.rs"]
mod aws_payload;
#[path = "conformance/azure.rs"]
mod azure;
#[path = "conformance/azure_forgeries.rs"]
mod azure_forgeries;
#[path = "azure/payload.rs"]
mod azure_payload;
#[path = "conformance/baremetal_snp.rs"]
mod baremetal_snp;
#[path = "conformance/baremetal_snp_forgeries.rs"]
mod baremetal_snp_forgeries;
#[path = "conformance/gcp.rs"]
mod gcp;
#[path = "conformance/gcp_forgeries.rs"]
mod gcp_forgeries;
#[path = "gcp/payload.rs"]
mod gcp_payload;
#[path = "conformance/nvidia.rs"]
mod nvidia;
#[path = "nvidia/cpu.rs"]
mod nvidia_cpu;
#[path = "conformance/nvidia_forgeries.rs"]
mod nvidia_forgeries;
#[path = "conformance/tdx.rs"]
mod tdx;
#[path = "conformance/tdx_forgeries.rs"]
mod tdx_forgeries;
#[path = "tdx/payload.rs"]
mod tdx_payload;
#[path = "conformance/vectors.rs"]
mod vectors;

mod snp {
    conformance::suite!(crate::baremetal_snp::Snp);
}

mod intel {
    conformance::suite!(crate::tdx::Tdx);
}

mod microsoft {
    conformance::suite!(crate::azure::Azure);
}

mod google {
    conformance::suite!(crate::gcp::Google);
}

mod amazon {
    conformance::suite!(crate::aws::Aws);
}

mod devices {
    conformance::suite!(crate::nvidia::Nvidia);
}
