//! The acceptance scenarios: behaviours that users of durable engines rely on, by group. The id in
//! each test's docs is its number on the list they were drawn from.
//!
//! The weather each runs in, by the names of `everstep_tests::scenario`: **all** is P0 to P7; calm
//! leaves out P3 and P4, in which bodies may run again; in memory is calm without P5 and P7. P0 to
//! P4 and P6 are in memory, unless `EVERSTEP_TEST_STORE` is `sqlite` or `dynamodb`; with P7 they are
//! on these two as well, in fewer worlds. **All, not compared** is the same but for P7's comparison of
//! logs.
//!
//! | scenarios | weather | and why not the rest |
//! |---|---|---|
//! | S1 to S6, S8, S10 to S13, S15 | all | |
//! | S7: bounds of back-offs | all, not compared | random back-offs make another log each time |
//! | S7: nothing runs in a long back-off | calm | it counts bodies; that no attempt is early is checked of every log |
//! | S9: no body runs twice | all | |
//! | S9: a body's host dies | calm | the scenario is a host's death itself |
//! | S14 | none | a plain function |
//! | T1: several in a row, an hour | all | |
//! | T1: ten days | all | P3 and P4 in few worlds: each has a thousand hops of the queue |
//! | T2: 50 executions | P0 to P2, P4, P6 | in all with one, in P3, P5 and P7 with three |
//! | T3: in virtual time | all | |
//! | T3: SIGKILL and SIGTERM | SQLite | real processes in real time |
//! | T4: zero and the past, a hundred years | all | of the years the first two days |
//! | G1 to G4, G8, G9 | all | |
//! | G5, G6, G7 | all; what depends on who is first: calm | a death makes things late |
//! | updates, as G1 to G3 and G8 | all | but for refusals that meet no weather |
//! | objects | all | |
//! | tags | all | |
//! | tags: seen while the turn goes on | P0, P2, P6 | it takes a turn that goes on |
//! | tags that are none | P0 | |
//! | views | all | in calm where it counts bodies |
//! | C1, C2, C3 in sequence, C4 | all | |
//! | C3: ten in parallel | all, not compared | they end in another order on each store |
//! | C3: 500 in parallel | P0 on DynamoDB | 3,000 in memory are among the costs |
//! | M1, M4 to M6 | all | |
//! | M2: items, the limit; M3: counts | all | M3 each kind of rule; its whole table in P0 to P2, P4, P6 |
//! | M2: 1,000 items | P0, P2; P3 in few worlds; P0 on SQLite | a thousand commits |
//! | M2: limit 0; M3: the quickest | calm | no body of theirs may run again |
//! | D1, D2, D3, D5, D6 | all | |
//! | E1, E2 | all | |
//! | E6 | all; a thousand runs under P0, 200 on SQLite and DynamoDB | thousands of commits |
//! | E3, E4, E7, E8 | all | E7's 16 threads once on each store |
//! | E5 | calm | the scenario is ten deaths |
//! | schedules: skip, the calendar's times | all | |
//! | schedules: other policies, pause, trigger, update, catch-up | in memory, with deaths and faults | no store makes a difference |
//! | schedules: buffer one | in memory | it looks every minute |
//! | attachments | all | |
//! | notifications | all; once and in order: P0, P5 | who dies, or is one of two, may tell twice |
//! | postponed attempts | all | in calm where it counts bodies |
//! | B1, B2 | all | B1's refusals once on each store: they meet no weather |
//! | B3 | calm | it writes to the log itself |
//! | B4 | P0 | it is about one batch of a queue |
//! | B5 | DynamoDB and SQS behind a proxy | in client, worker and command |
//! | L1 | P0, P2, P6; P0 on SQLite and DynamoDB with 2,000 steps | ten thousand steps |
//! | L2 | P2, P5, P7 | real pages of DynamoDB are in P7 |
//! | L3 | in memory, with deaths and restarts | ten thousand executions |
//! | L3: SIGKILL | SQLite | real processes in real time, in `sqlite::many` |

mod attachments;
mod bad_input;
mod children;
mod determinism;
mod ends;
mod failures;
mod kills;
mod long;
mod long_steps;
mod many;
mod maps;
mod notifications;
mod objects;
mod postponed;
mod promises;
mod races;
mod runs;
mod schedules;
mod several;
mod signals;
mod steps;
mod tags;
mod timers;
mod undo;
mod unusable;
mod updates;
mod versions;
mod views;
