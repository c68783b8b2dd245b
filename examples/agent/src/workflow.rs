//! The agent: a loop of questions to a model and calls of tools, within a budget.

use std::fmt;

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

use crate::tools::Tools;

/// What the agent needs of this process: its clients.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The model's endpoint.
    pub model: Model,
    /// What the model may use.
    pub tools: Tools,
}

/// Works on a task until the model has an answer or the budget is spent.
///
/// Each answer of the model and each tool's result is a step: after a crash the conversation is
/// what it was, and no token of it is paid for twice.
#[workflow]
pub async fn work_on(State(desk): State<Desk>, task: Task) -> Result<Answer, AgentError> {
    let mut talk = vec![Message::User(task.question)];
    let mut spent = 0;
    while spent < task.budget {
        let reply = ask(&desk.model, &talk).await?;
        spent += reply.tokens;
        match reply.says {
            Says::Answer(text) => return Ok(Answer { text, tokens: spent }),
            Says::Use(calls) => {
                let results = join_all(calls.iter().map(|call| run(&desk.tools, call))).await;
                talk.push(Message::Model(calls));
                // What went wrong with a tool is for the model to read, not the end.
                talk.extend(results.into_iter().map(|result| {
                    Message::Tool(result.unwrap_or_else(|error| format!("error: {error}")))
                }));
            }
        }
    }
    Err(AgentError::OverBudget { spent, budget: task.budget })
}

/// Asks the model what to do next. A model that is busy is asked again, for as long as it takes
/// others to get tired; one that does not understand is not.
///
/// The conversation is left out of the log: it follows from the results that are there, and
/// would be recorded once more in every round.
#[step(skip(model, talk), retry(max_attempts = 10, initial = "200ms", max = "60s"), retry_if = AgentError::is_transient)]
pub async fn ask(model: &Model, talk: &[Message]) -> Result<Reply, AgentError> {
    let question = Question { conversation: talk.to_vec() };
    let request = model.http.post(&model.url).header("idempotency-key", idempotency_key());
    let response = request.json(&question).send().await?;
    Ok(response.error_for_status()?.json().await?)
}

/// Runs a tool.
#[step(skip(tools))]
pub async fn run(tools: &Tools, call: &Call) -> Result<String, AgentError> {
    tools.run(call).await
}

/// The model, behind an HTTP endpoint.
#[derive(Debug, Clone)]
pub struct Model {
    http: reqwest::Client,
    url: String,
}

impl Model {
    /// The model at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self { http: reqwest::Client::new(), url: url.into() }
    }
}

/// What the agent is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The question.
    pub question: String,
    /// How many tokens it may cost; the last reply may go beyond.
    pub budget: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The model's words.
    pub text: String,
    /// What it cost.
    pub tokens: u32,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The user's.
    User(String),
    /// The model's: it wants to use tools.
    Model(Vec<Call>),
    /// A tool's.
    Tool(String),
}

/// What the model is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// All that was said so far.
    pub conversation: Vec<Message>,
}

/// What the model replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its words.
    pub says: Says,
    /// Their price.
    pub tokens: u32,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It needs these first, all of them.
    Use(Vec<Call>),
    /// It is done.
    Answer(String),
}

/// A tool the model wants to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its name.
    pub tool: String,
    /// What for.
    pub argument: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.tool, self.argument)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum AgentError {
    /// The model wants more than it may cost: ask something smaller, or give it more.
    #[error("{spent} tokens are spent and {budget} were allowed")]
    OverBudget {
        /// What it has cost.
        spent: u32,
        /// What it may cost.
        budget: u32,
    },
    /// The model is busy or away: ask again.
    #[error("the model did not answer: {reason}")]
    NoAnswer {
        /// What was seen.
        reason: String,
    },
    /// The model refuses the question, or its reply makes no sense.
    #[error("the model cannot be used: {reason}")]
    Refused {
        /// What was seen.
        reason: String,
    },
    /// A tool could not do it.
    #[error("{reason}")]
    Tool {
        /// Why.
        reason: String,
    },
}

impl AgentError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }
}

impl From<reqwest::Error> for AgentError {
    fn from(error: reqwest::Error) -> Self {
        let busy = error.status().is_none_or(|status| status.is_server_error() || status == 429);
        let reason = error.to_string();
        if busy && !error.is_decode() {
            Self::NoAnswer { reason }
        } else {
            Self::Refused { reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use everstep::client::ResultError;
    use everstep::testing::{Env, crash_everywhere};

    use super::*;

    fn call(tool: &str, argument: &str) -> Call {
        Call { tool: tool.to_owned(), argument: argument.to_owned() }
    }

    fn task(budget: u32) -> Task {
        Task { question: "How much warmer is Lisbon than Oslo?".to_owned(), budget }
    }

    /// An agent whose model wants two tools at once, then has the answer. 100 tokens a reply.
    fn env() -> Env {
        let desk = Desk { model: Model::at("http://model.invalid"), tools: Tools };
        let env = Env::new(App::new().workflow(work_on).state(desk));
        // The conversation is not recorded, and a mock gets it all the same.
        env.mock(ask, |(_, talk)| {
            let says = match talk.last() {
                Some(Message::User(_)) => {
                    Says::Use(vec![call("weather", "Lisbon"), call("weather", "Oslo")])
                }
                _ => Says::Answer(format!("{} messages", talk.len())),
            };
            Ok(Reply { says, tokens: 100 })
        });
        env
    }

    #[test]
    fn tools_are_used_before_the_answer() {
        let env = env();
        let answer = env.run(work_on, task(1_000)).unwrap();
        assert_eq!(answer, Answer { text: "4 messages".to_owned(), tokens: 200 });
        assert_eq!((env.runs("ask"), env.runs("run")), (2, 2));
    }

    #[test]
    fn a_busy_model_is_asked_again_and_paid_once() {
        let env = env();
        env.fail(ask, 1..=3, AgentError::NoAnswer { reason: "503".to_owned() });
        assert_eq!(env.run(work_on, task(1_000)).unwrap().tokens, 200);
        assert_eq!(env.completed_runs("ask"), 2);
    }

    #[test]
    fn a_tool_that_fails_is_the_models_to_bear() {
        let env = env();
        env.mock(run, |_| Err(AgentError::Tool { reason: "no such town".to_owned() }));
        assert_eq!(env.run(work_on, task(1_000)).unwrap().text, "4 messages");
    }

    #[test]
    fn the_budget_ends_it() {
        let env = env();
        let failure = env.run(work_on, task(100)).unwrap_err();
        let over = AgentError::OverBudget { spent: 100, budget: 100 };
        assert!(matches!(&failure, ResultError::Failed(error) if *error == over), "{failure}");
        assert_eq!(env.runs("ask"), 1);
    }

    #[test]
    fn a_cancelled_agent_asks_no_more() {
        let env = env();
        env.fail(ask, 1..=9, AgentError::NoAnswer { reason: "503".to_owned() });
        let work = env.start(work_on, task(1_000));
        work.cancel_after(seconds(10), "nobody wants to know any more");
        assert!(work.result().unwrap_err().to_string().contains("nobody wants to know"));
        assert_eq!(env.completed_runs("ask"), 0);
    }

    #[test]
    fn it_survives_every_crash() {
        crash_everywhere(env, |env| env.start(work_on, task(1_000)));
    }
}
