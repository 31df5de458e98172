//! The preset files of `scenarios/presets`, embedded. A test checks that none is forgotten.

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../scenarios/presets/", $path)))),*]
    };
}

/// Path below `scenarios/presets` and text of each file.
pub(super) const FILES: &[(&str, &str)] = files![
    "models/gpt-5.5@2026-11.yaml",
    "platforms/aca-dynamic-sessions@2026-11.yaml",
    "platforms/agentcore-v1@2026-09.yaml",
    "platforms/agentcore-v2@2026-10.yaml",
    "platforms/cloudflare-containers@2026-11.yaml",
    "platforms/daytona@2026-05.yaml",
    "platforms/e2b@2026-08.yaml",
    "platforms/firecracker-fleet@2026-11.yaml",
    "platforms/foundry-agent-service@2026-09.yaml",
    "platforms/kubernetes-warm-pool@2026-11.yaml",
    "platforms/modal@2026-10.yaml",
    "platforms/serverless-function@2026-11.yaml",
    "platforms/traditional-shared-container@2026-11.yaml",
    "platforms/web-app@2026-11.yaml",
    "rates/aca-consumption@2026-11.yaml",
    "rates/aca-sessions@2026-11.yaml",
    "rates/agentcore-v1-rates@2026-09.yaml",
    "rates/agentcore-v2-rates@2026-10.yaml",
    "rates/aws-fargate@2026-11.yaml",
    "rates/aws-lambda-microvms@2026-11.yaml",
    "rates/aws-lambda@2026-11.yaml",
    "rates/azure@2026-09.yaml",
    "rates/cloudflare@2026-11.yaml",
    "rates/daytona-rates@2026-05.yaml",
    "rates/e2b-rates@2026-08.yaml",
    "rates/modal-rates@2026-10.yaml",
    "rates/self-hosted@2026-11.yaml",
    "workloads/claude-agent-sdk-dev@2026-11.yaml",
    "workloads/claude-code-requests@2026-11.yaml",
    "workloads/claude-code-weka@2026-11.yaml",
    "workloads/copilot-2026@2026-11.yaml",
    "workloads/langgraph-dev@2026-11.yaml",
    "workloads/openai-agents-sdk-dev@2026-11.yaml",
    "workloads/tracelab@2026-11.yaml",
];
