//! The macros that make a test of each check.

/// Makes one test of each check of [`event_store`](crate::testing::conformance::event_store), in a
/// module named `$name`. `$factory` is an expression that makes a
/// [`StoreFactory`](crate::testing::conformance::StoreFactory), for each test anew. The crate needs
/// tokio with its macros and its multi-threaded runtime.
#[macro_export]
macro_rules! event_store_suite {
    ($name:ident, $factory:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::event_store_suite! { @checks $factory;
                create::{
                    a_start_writes_the_record_and_the_first_commit
                    an_execution_that_was_never_started_is_not_there
                    a_second_start_changes_nothing_and_says_who_was_first
                    sixteen_starts_at_once_have_one_winner
                    a_closed_execution_starts_again_after_its_last_commit
                    a_restart_is_refused_unless_the_execution_ended_right_before_it
                    sixteen_restarts_at_once_have_one_winner
                    a_start_that_is_too_large_writes_nothing
                    setup_may_be_repeated
                    ids_of_any_text_are_kept_apart
                }
                append::{
                    commits_are_read_back_byte_for_byte_in_order
                    a_taken_number_stays_and_names_its_writer
                    the_first_commit_cannot_be_appended_over
                    a_number_has_exactly_one_winner
                    logs_of_different_executions_do_not_meet
                    the_largest_commit_is_accepted_and_a_larger_one_refused
                    a_log_of_large_commits_comes_back_whole
                    a_log_of_thousands_of_commits_comes_back_in_order
                }
                load::{
                    an_item_on_its_way_into_the_log_is_never_missed
                    a_load_beside_writes_is_consistent
                    a_read_sees_every_write_before_it
                    a_hole_in_a_log_is_refused_or_shown
                    a_log_shorter_than_its_record_is_shown
                }
                runs::{
                    a_load_reads_from_where_the_run_begins
                    a_restart_is_loaded_from_its_start
                    a_record_that_is_behind_shows_more
                    a_hole_in_a_later_run_is_refused_or_shown
                    an_item_on_its_way_is_never_missed_whatever_run_takes_it
                    lists_are_filtered_by_tags
                }
                pages::{
                    pages_have_every_commit_once_in_order
                    a_page_begins_where_it_is_asked_to
                    a_page_of_large_commits_ends_early
                    pages_have_all_runs_and_nothing_of_the_inbox
                    a_page_shows_what_its_log_has_lost
                    a_page_beside_writes_is_consistent
                }
                project::{
                    a_projection_of_more_of_the_log_replaces_the_record
                    a_view_stays_until_another_takes_its_place
                    tags_stay_until_others_take_their_place
                    a_record_names_the_parent_it_was_started_by
                    a_projection_of_less_of_the_log_changes_nothing
                    a_block_is_set_at_the_same_commit_and_lifted_by_a_later_one
                    what_is_untold_changes_at_the_same_commit
                    what_is_told_all_the_same_comes_back_and_goes
                    a_record_of_another_life_stays_as_it_is
                    a_projection_comes_back_with_the_arrivals
                    sixteen_projections_at_once_leave_the_newest
                }
                inbox::{
                    a_sent_item_is_in_the_inbox_and_counted
                    every_kind_of_message_comes_back_equal
                    an_item_sent_again_is_known_and_not_counted
                    an_item_sent_sixteen_times_at_once_is_one
                    sixteen_items_sent_at_once_all_arrive
                    a_closed_execution_takes_nothing
                    an_open_execution_takes_items_whatever_its_status
                    an_execution_that_does_not_exist_takes_nothing
                    a_send_that_races_the_end_is_taken_or_refused
                    removed_items_are_gone_and_only_they
                    many_items_are_removed_at_once
                    item_ids_of_any_text_are_kept_apart
                    an_item_that_no_commit_can_hold_is_refused
                }
                arrival::{
                    items_sent_one_after_the_other_come_in_this_order
                    items_of_senders_with_skewed_clocks_come_in_the_order_they_were_sent
                    an_item_sent_again_keeps_its_place
                    items_come_after_those_that_were_taken
                    each_of_sixteen_senders_keeps_its_own_order
                    no_load_sees_a_later_item_without_the_earlier
                }
                indexes::{
                    an_execution_is_overdue_after_its_wake_time
                    a_wake_time_of_any_length_is_kept_and_in_order
                    an_execution_with_an_old_item_is_overdue
                    blocked_and_closed_executions_are_never_overdue
                    what_is_untold_is_overdue_whatever_its_status
                    no_more_are_overdue_than_asked_for
                    lists_are_filtered_by_workflow_and_status
                    lists_are_filtered_by_the_time_of_start
                    pages_visit_every_record_once_newest_first
                    a_list_follows_the_record
                    a_host_that_nobody_knows_is_not_known_to_be_gone
                }
                lives::{
                    what_an_earlier_life_appends_late_is_seen_by_nobody
                    pages_have_nothing_of_another_life
                    an_append_to_what_was_deleted_is_seen_by_nobody
                    a_restart_takes_a_number_on_which_an_earlier_life_wrote
                    a_restart_of_an_earlier_life_is_refused
                    a_burial_of_an_earlier_life_is_refused
                    items_of_a_later_life_are_not_removed
                    an_item_that_is_sent_again_after_a_restart_is_not_removed
                    what_an_earlier_life_wrote_is_removed_with_the_later_one
                    a_life_is_kept_when_it_starts_again
                }
                delete::{
                    a_buried_execution_is_there_for_nobody
                    nothing_open_or_changed_is_buried
                    a_burial_that_is_repeated_is_done_and_anothers_is_not
                    the_id_of_a_buried_execution_is_free_when_its_remains_are_removed
                    only_who_holds_the_grave_goes_on_with_it
                    a_removal_that_comes_late_touches_nothing_of_the_next_execution
                    removals_that_race_starts_leave_the_winner_whole
                    a_burial_and_a_restart_at_once_have_one_winner
                    a_long_log_and_a_full_inbox_are_removed_whole
                    what_is_closed_and_past_its_time_is_expired_and_graves_are_too
                }
            }
        }
    };
    (@checks $factory:expr; $($module:ident::{$($check:ident)*})*) => {
        $($crate::event_store_suite! { @module $factory; $module $($check)* })*
    };
    (@module $factory:expr; $module:ident $($check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let factory = $factory;
                let store = $crate::testing::conformance::StoreFactory::store(&factory).await;
                $crate::testing::conformance::event_store::$module::$check(store).await;
            }
        )*
    };
}

/// Makes one test of each check of [`wake_queue`](crate::testing::conformance::wake_queue), in a
/// module named `$name`. `$factory` is an expression that makes a
/// [`QueueFactory`](crate::testing::conformance::QueueFactory), for each test anew. The crate needs
/// tokio with its macros and its multi-threaded runtime.
#[macro_export]
macro_rules! wake_queue_suite {
    ($name:ident, $factory:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::wake_queue_suite! { @checks $factory;
                deliver::{
                    a_wake_comes_as_it_was_sent
                    an_empty_queue_keeps_its_receiver_waiting
                    a_waiting_receiver_hears_a_wake
                    a_delayed_wake_never_comes_early
                    a_delayed_wake_lets_others_pass
                    a_delay_beyond_the_longest_is_no_error
                    a_receiver_gets_no_more_than_it_asked_for
                    each_wake_goes_to_one_of_several_receivers
                    a_receive_that_is_dropped_loses_nothing
                }
                redeliver::{
                    a_message_not_deleted_comes_back_after_the_time_out
                    a_deleted_message_never_comes_back
                    a_late_delete_does_no_harm
                    a_kept_message_stays_away_longer
                    a_message_given_back_comes_at_once
                    a_received_message_is_hidden_from_others
                }
            }
        }
    };
    (@checks $factory:expr; $($module:ident::{$($check:ident)*})*) => {
        $($crate::wake_queue_suite! { @module $factory; $module $($check)* })*
    };
    (@module $factory:expr; $module:ident $($check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let factory = $factory;
                $crate::testing::conformance::wake_queue::$module::$check(&factory).await;
            }
        )*
    };
}

/// Makes one test of each check of
/// [`payload_store`](crate::testing::conformance::payload_store), in a module named `$name`.
/// `$factory` is an expression that makes a
/// [`PayloadStoreFactory`](crate::testing::conformance::PayloadStoreFactory), for each test anew. The
/// crate needs tokio with its macros and its multi-threaded runtime.
#[macro_export]
macro_rules! payload_store_suite {
    ($name:ident, $factory:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::payload_store_suite! { @checks $factory;
                a_blob_is_read_back_byte_for_byte
                a_blob_that_was_never_put_is_not_there
                a_taken_name_keeps_its_bytes
                sixteen_puts_at_once_have_one_winner
                folders_are_kept_apart
                a_removed_blob_is_gone_and_only_it
                a_folder_of_more_than_a_thousand_blobs_is_listed
                a_value_of_any_size_comes_back_through_every_codec
                an_attachment_comes_back_through_every_codec
            }
        }
    };
    (@checks $factory:expr; $($check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let factory = $factory;
                $crate::testing::conformance::payload_store::$check(&factory).await;
            }
        )*
    };
}

/// Makes one test of each check of [`limiter`](crate::testing::conformance::limiter), in a module
/// named `$name`. `$factory` is an expression that makes a
/// [`LimiterFactory`](crate::testing::conformance::LimiterFactory), for each test anew. The crate
/// needs tokio with its macros and its multi-threaded runtime.
#[macro_export]
macro_rules! limiter_suite {
    ($name:ident, $factory:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::limiter_suite! { @checks $factory;
                a_burst_is_due_at_once_and_the_next_an_interval_later
                a_permit_can_be_taken_before_it_is_due
                a_refusal_takes_no_permit
                the_refused_are_told_different_times
                permits_are_taken_once_by_sixteen_at_once
                permits_come_back_with_time_up_to_the_burst
                keys_of_any_text_are_kept_apart
                a_place_is_free_again_when_it_is_given_back
                a_repeated_call_takes_no_second_place
                only_a_token_s_own_place_is_given_back
                a_place_is_free_when_its_lease_is_over
                those_without_a_place_are_told_different_times
                places_are_taken_once_by_sixteen_at_once
            }
        }
    };
    (@checks $factory:expr; $($check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let factory = $factory;
                $crate::testing::conformance::limiter::$check(&factory).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_its_suite() {
        let suite: Vec<&str> = include_str!("suite.rs").lines().map(str::trim).collect();
        for source in [
            include_str!("event_store/append.rs"),
            include_str!("event_store/arrival.rs"),
            include_str!("event_store/create.rs"),
            include_str!("event_store/delete.rs"),
            include_str!("event_store/inbox.rs"),
            include_str!("event_store/indexes.rs"),
            include_str!("event_store/lives.rs"),
            include_str!("event_store/load.rs"),
            include_str!("event_store/project.rs"),
            include_str!("event_store/runs.rs"),
            include_str!("payload_store.rs"),
            include_str!("wake_queue/deliver.rs"),
            include_str!("wake_queue/redeliver.rs"),
            include_str!("limiter.rs"),
        ] {
            let checks = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
            let mut count = 0;
            for check in checks {
                let name = check.split('(').next().unwrap();
                assert!(suite.contains(&name), "{name} is missing from its suite");
                count += 1;
            }
            assert!(count > 0);
        }
    }
}
