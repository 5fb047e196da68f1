//! `jenkins input`: lists the questions that a build waits with (step `input`), or answers one.

use serde_json::Value;

use crate::cli::{InputArgs, JenkinsConnectionArgs};
use crate::commands::session::{CommandResult, Session};
use crate::document::{Details, Input, InputParameter};
use crate::error::{Error, ExitCode};
use crate::jenkins::{Answer, BuildName, BuildRef, Client, InputValues, Question};
use crate::lifecycle::Provider as _;

pub fn run(args: &InputArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let (provider, reference) = super::connect_to_build(&args.build, connection, session)?;
    let mut build = provider.build(&reference)?;
    session.with_retries(|| provider.resolve(&mut build))?;
    let client = provider.client();
    let found = build.build_ref().cloned().ok_or_else(|| {
        Error::message(ExitCode::NotFound, format!("{reference} has no build yet"))
            .with_hint("`cibridge jenkins wait` waits for it")
    })?;
    let seen = session.with_retries(|| client.build(&found.job, &BuildName::Number(found.number)))?;
    session.writer.call.build = Some(seen.snapshot.build);
    if !args.proceed && !args.abort {
        return list(client, &found, &seen.questions, session);
    }
    let question = chosen(args.id.as_deref(), &found, &seen.questions)?;
    let id = &question.id;
    let word = if args.proceed {
        let known = session.with_retries(|| client.input_parameters(&found, question))?;
        let given = args.params.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
        let values = InputValues::new(known.as_deref(), given, &format!("input {id}"))?;
        client.answer_input(&found, id, Answer::Proceed(&values))?;
        "proceed"
    } else {
        client.answer_input(&found, id, Answer::Abort)?;
        "abort"
    };
    session.console().line(&format!("answered input {id} of Jenkins build {found}: {word}"));
    Ok(session.writer.succeed())
}

fn list(client: &Client, build: &BuildRef, questions: &[Question], session: &mut Session) -> CommandResult {
    let mut listed = Vec::new();
    for question in questions {
        let parameters = session.with_retries(|| client.input_parameters(build, question))?.unwrap_or_default();
        let names: Vec<_> = parameters
            .iter()
            .map(|parameter| format!("{}={}", parameter.definition.name, plain(&parameter.default)))
            .collect();
        let names = if names.is_empty() { String::new() } else { format!(" [{}]", names.join(", ")) };
        session.data(&format!("{}: {}{names}", question.id, question.message));
        let parameters: Vec<_> = parameters
            .iter()
            .map(|parameter| InputParameter {
                name: parameter.definition.name.clone(),
                default: parameter.default.clone(),
            })
            .collect();
        listed.push(Input {
            id: question.id.clone(),
            message: question.message.clone(),
            submitter: question.submitter.clone(),
            parameters,
        });
    }
    if questions.is_empty() {
        session.console().line(&format!("Jenkins build {build} has no pending input"));
    }
    Ok(session.succeed_with(Details::Inputs(listed)))
}

/// The question that is to be answered.
fn chosen<'a>(wanted: Option<&str>, build: &BuildRef, questions: &'a [Question]) -> Result<&'a Question, Error> {
    let ids: Vec<&str> = questions.iter().map(|question| question.id.as_str()).collect();
    match (wanted, questions) {
        (_, []) => Err(Error::message(ExitCode::NotFound, format!("Jenkins build {build} has no pending input"))),
        (None, [question]) => Ok(question),
        (None, _) => Err(Error::message(ExitCode::Usage, format!("Jenkins build {build} has several pending inputs"))
            .with_hint(format!("name one: {}", ids.join(", ")))),
        (Some(wanted), _) => questions.iter().find(|question| question.id == wanted).ok_or_else(|| {
            Error::message(ExitCode::NotFound, format!("Jenkins build {build} has no pending input {wanted}"))
                .with_hint(format!("pending: {}", ids.join(", ")))
        }),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
