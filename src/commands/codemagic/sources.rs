//! What is said about the build to start: flags over the file of `--request` over variables.

use serde_json::{Map, Value, json};

use crate::cli::{self, Pair, TriggerArgs};
use crate::codemagic::{EnvironmentDraft, TriggerDraft};
use crate::commands::request_file;
use crate::commands::session::Session;
use crate::error::Error;
use crate::secret::Secret;

/// The draft of the build to start.
pub fn draft(args: &TriggerArgs, session: &Session) -> Result<TriggerDraft, Error> {
    let by_flag = args.given_by_flag;
    let given = |value: &Option<String>, is_wanted: bool| value.clone().filter(|_| is_wanted);
    let text = |pairs: &[Pair]| -> Map<String, Value> {
        pairs.iter().map(|pair| (pair.name.clone(), json!(pair.value))).collect()
    };
    let mut variables = text(&args.variables);
    for name in &args.var_from_env {
        let Some(value) = cli::environment(name)? else {
            return Err(Error::usage(format!("--var-from-env {name}"), "the environment variable is not set")
                .with_hint("export it first, or bind it with withCredentials"));
        };
        session.console().add_secret(&Secret::new(value.clone()));
        variables.insert(name.clone(), json!(value));
    }
    let flags = TriggerDraft {
        app_id: given(&args.app_id, by_flag.app_id),
        workflow_id: given(&args.workflow, by_flag.workflow),
        branch: given(&args.branch, by_flag.branch),
        tag: given(&args.tag, by_flag.tag),
        labels: args.labels.clone(),
        instance_type: args.instance_type.clone(),
        inputs: args.inputs.iter().map(|input| (input.name.clone(), input.value.clone())).collect(),
        environment: EnvironmentDraft {
            variables,
            groups: args.groups.clone(),
            software_versions: text(&args.software),
        },
        idempotency_key: args.idempotency_key.clone(),
    };
    let environment = TriggerDraft {
        app_id: given(&args.app_id, !by_flag.app_id),
        workflow_id: given(&args.workflow, !by_flag.workflow),
        branch: given(&args.branch, !by_flag.branch),
        tag: given(&args.tag, !by_flag.tag),
        ..TriggerDraft::default()
    };
    let file = request_file::read(
        args.request.as_deref(),
        "app_id, workflow_id, branch or tag, labels, instance_type, inputs, idempotency_key and \
         environment with variables, groups and software_versions",
    )?;
    Ok(flags.or(file).or(environment))
}
