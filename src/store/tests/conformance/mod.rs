//! What every store does, held against each of them: SQLite in memory and in a file, PostgreSQL, and the model, which is
//! the simplest thing that does it. The cases say what is meant; the random sequences look for what nobody thought of.

mod apps;
mod audit;
mod connect;
mod connections;
mod events;
mod idempotency;
mod keys;
mod leases;
mod mappings;
mod model;
mod place;
mod random;
mod renewals;
mod replicas;
mod requests;
mod revocations;
mod samples;
mod sealed;

pub(super) use place::{Schema, postgres_url};

/// Makes a test of each case for each store.
macro_rules! conformance {
    ($($module:ident::{$($case:ident),+ $(,)?}),+ $(,)?) => {
        mod on_the_model {
            $($(#[tokio::test] async fn $case() { super::$module::$case(&super::place::model()).await })+)+
        }
        mod on_sqlite_in_memory {
            $($(#[tokio::test] async fn $case() { super::$module::$case(&super::place::memory()).await })+)+
        }
        mod on_sqlite_in_a_file {
            $($(#[tokio::test] async fn $case() { super::$module::$case(&super::place::file()).await })+)+
        }
        mod on_postgres {
            $($(#[tokio::test] async fn $case() {
                if let Some(place) = super::place::postgres().await {
                    super::$module::$case(&place).await
                }
            })+)+
        }
    };
}

conformance! {
    apps::{an_app_is_put_replaced_listed_and_deleted, apps_of_other_tenants_are_never_seen},
    audit::{
        rows_come_newest_first_filtered_and_in_pages,
        each_tenant_has_a_chain_of_its_own,
        what_many_add_at_once_is_one_chain,
        nothing_is_lost_of_a_row,
        sweeping_leaves_a_log_that_can_be_verified,
        what_a_change_adds_is_written_with_it_or_not_at_all,
    },
    connect::{
        a_session_is_found_as_it_was_made,
        a_session_belongs_to_the_first_browser,
        of_two_browsers_one_gets_the_session,
        a_session_is_completed_once,
        a_consent_is_taken_once,
        of_two_who_bring_a_state_one_gets_it,
        a_consent_needs_its_session,
        sweeping_deletes_what_expired_before,
        ids_are_used_once,
    },
    connections::{
        a_row_is_read_as_it_was_written,
        settings_keep_the_order_of_members_and_the_text_of_numbers,
        a_customer_has_one_connection_to_a_provider,
        of_two_insertions_for_a_customer_one_is_made,
        a_taken_id_is_stale,
        a_customers_connections_come_in_the_order_of_providers,
        an_update_needs_the_revision_it_was_made_from,
        of_two_updates_of_a_revision_one_is_written,
        an_update_to_a_taken_customer_writes_nothing,
        a_deletion_needs_the_revision_and_takes_overrides_and_events_along,
        lists_filter_and_page_in_the_order_of_ids,
        rows_of_all_tenants_page_in_the_order_of_ids,
        tenants_never_see_each_others_connections,
        what_goes_along_is_written_with_the_row_or_not_at_all,
        a_pause_shows_over_the_state_beneath,
    },
    events::{
        events_come_newest_first_and_in_pages,
        the_newest_events_are_kept,
        events_of_others_are_never_seen,
    },
    idempotency::{
        a_write_is_claimed_once,
        of_many_who_claim_a_write_one_gets_it,
        another_request_under_the_key_is_told,
        an_end_is_read_as_it_was_written,
        what_did_nothing_is_forgotten,
        only_the_claim_that_there_is_may_end,
        a_claim_without_a_sign_of_life_is_unknown_and_may_still_end,
        signs_of_life_are_of_one_process,
        what_a_dead_process_was_at_is_unknown,
        a_place_is_free_when_its_time_is_over,
        the_writes_of_others_are_never_seen,
        writes_go_with_their_connection,
    },
    keys::{
        a_key_is_read_as_it_was_written,
        keys_are_listed_newest_first,
        a_revoked_key_keeps_its_first_date,
        a_foreign_key_is_not_revoked,
        the_last_use_of_keys_never_goes_back,
        a_keys_id_is_used_once,
    },
    leases::{
        a_lease_is_granted_once,
        of_many_who_want_a_lease_one_gets_it,
        a_lease_that_ran_out_goes_to_the_next_who_learns_of_it,
        only_what_is_as_expected_and_usable_is_leased,
        a_lease_is_held_on_to_by_its_holder_only,
        a_lease_that_ran_out_can_be_held_on_to_until_another_has_it,
        new_credentials_end_a_lease,
        other_changes_leave_a_lease,
        an_orphan_waits_for_the_next_lease,
        an_orphan_goes_with_its_generation,
    },
    mappings::{overrides_are_put_replaced_and_deleted, overrides_of_others_are_never_seen},
    renewals::{
        what_is_committed_is_read,
        a_commit_leaves_what_it_does_not_name,
        a_commit_under_an_old_epoch_writes_nothing,
        a_commit_of_another_generation_writes_nothing,
        a_commit_after_new_credentials_writes_nothing,
        a_commit_to_a_row_that_is_no_more_writes_nothing,
        of_two_commits_of_an_epoch_one_is_written,
        what_was_thought_lost_is_adopted,
        nothing_is_adopted_while_somebody_is_at_it,
        a_failure_is_written_and_gives_the_lease_back,
        a_failure_under_an_old_epoch_writes_nothing,
        what_is_due_comes_last_used_first,
        what_cannot_be_renewed_is_not_due,
        a_renewal_is_postponed_for_its_generation_only,
        the_last_use_of_connections_never_goes_back,
        the_census_counts_what_shows,
    },
    replicas::{those_who_were_seen_lately_are_counted},
    requests::{
        requests_come_newest_first_and_in_pages,
        the_newest_requests_of_each_connection_are_kept,
        requests_of_others_are_never_seen_and_those_of_nobody_not_kept,
        requests_go_with_their_connection,
        old_requests_are_swept,
        bodies_are_kept_with_their_request_and_swept_before_it,
    },
    revocations::{
        a_revocation_is_claimed_by_one,
        of_two_who_claim_each_gets_others,
        a_failed_revocation_comes_again_later,
        revocations_come_oldest_first,
        what_is_done_is_gone,
    },
    sealed::{
        everything_sealed_is_listed_and_read,
        what_changed_meanwhile_is_not_sealed_anew,
        a_secret_is_made_once,
    },
}
