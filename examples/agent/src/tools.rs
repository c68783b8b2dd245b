//! What the model may use.

use crate::workflow::{AgentError, Call};

/// The tools.
#[derive(Debug, Clone)]
pub struct Tools;

impl Tools {
    /// Does what the model asks for.
    ///
    /// # Errors
    /// There is no such tool, or it cannot do this.
    pub async fn run(&self, call: &Call) -> Result<String, AgentError> {
        let refuse = |reason: String| Err(AgentError::Tool { reason });
        match call.tool.as_str() {
            "weather" => match call.argument.as_str() {
                "Lisbon" => Ok("21".to_owned()),
                "Oslo" => Ok("4".to_owned()),
                town => refuse(format!("nobody measures the weather in {town}")),
            },
            "subtract" => {
                let numbers = call.argument.split_once(" - ").and_then(|(a, b)| {
                    a.trim().parse::<i64>().ok()?.checked_sub(b.trim().parse().ok()?)
                });
                match numbers {
                    Some(difference) => Ok(difference.to_string()),
                    None => refuse(format!("\"{}\" is not \"a - b\"", call.argument)),
                }
            }
            other => refuse(format!("there is no tool {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tool_does_it_or_says_why_not() {
        let run = async |tool: &str, argument: &str| {
            let call = Call { tool: tool.to_owned(), argument: argument.to_owned() };
            Tools.run(&call).await.map_err(|error| error.to_string())
        };
        assert_eq!(run("subtract", "21 - 4").await.unwrap(), "17");
        assert!(run("subtract", "much").await.unwrap_err().contains("much"));
        assert!(run("weather", "Atlantis").await.unwrap_err().contains("Atlantis"));
        assert!(run("launch", "").await.unwrap_err().contains("launch"));
    }
}
