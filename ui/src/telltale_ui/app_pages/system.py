"""Is all well? One line, then instances, queues, database, ledger and dead letters."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.markdown import literal
from telltale_ui.system.dead_letters import dead_letters
from telltale_ui.system.ledger import ledger


def instance_row(instance: dict[str, Any], now: datetime) -> dict[str, Any]:
    """One running copy of a service, ready to be read."""
    troubles = [f"{name}: {state}" for name, state in instance["dependencies"].items() if state != "ok"]
    return {
        "Service": instance["service"],
        "Instance": instance["instance"],
        "Health": f"{instance['health']} ({', '.join(troubles)})" if troubles else instance["health"],
        "Seen": f"{times.age(times.parse(instance['seen_at']), now)} ago",
        "Up for": times.age(times.parse(instance["started_at"]), now),
        "Memory": tables.bytes_text(instance["memory_bytes"]),
        "Version": instance["version"],
        # The ledger, which the writer's heartbeat carries too, has a place of its own on this page.
        "Figures": ", ".join(
            f"{name.replace('_', ' ')} {value:,.4g}"
            for name, value in instance["figures"].items()
            if not name.startswith("ledger_")
        ),
    }


def verdict(status: dict[str, Any]) -> None:
    """All is well, or what is not, and the ledger in one line."""
    told = status["ledger"] or "The ledger cannot be read right now"
    if status["status"] == "ok":
        st.success(told, title="All is well", icon=":material/check_circle:")
    else:
        reasons = "".join(f"\n- {literal(one)}" for one in status["reasons"])
        st.warning(f"{told}\n{reasons}", title="Something needs a look", icon=":material/warning:")


def show_database(database: dict[str, Any]) -> None:
    """Size, latency and migration of the database."""
    with st.container(horizontal=True):
        st.metric("Size", tables.bytes_text(database["size_bytes"]), border=True)
        st.metric("Answers in", tables.milliseconds_text(database["latency_ms"]), border=True)
    if not database["reachable"]:
        st.error(literal(database["problem"] or "It does not answer."), icon=":material/error:")
    version, migration = (literal(database[field] or "unknown") for field in ("version", "migration"))
    st.caption(f"MariaDB {version}, migration {migration}")


def show_queues(status: dict[str, Any]) -> None:
    """What waits in the broker, and how far the store is behind."""
    columns = {"name": "Queue", "messages": "Messages", "consumers": "Consumers"}
    st.dataframe(
        tables.frame(status["queues"], columns),
        key="queues",
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="localized") for name in ("Messages", "Consumers")},
        alt="Queues of the broker",
    )
    st.caption("The stream `live` keeps the readings of the last minutes for new screens: nothing waits there.")
    if not status["broker"]["reachable"]:
        st.error(literal(status["broker"]["problem"] or "The broker does not answer."), icon=":material/error:")
    behind = status["lag"]["newest_record_age_seconds"]
    if behind is not None:
        st.caption(f"The newest record was measured {behind:,.1f} s ago.")


@st.fragment(run_every="5s")
def overview() -> None:
    """What changes by itself, drawn anew every five seconds."""
    with feedback.plain_errors():
        status = login.api().status()
        now = datetime.now(UTC)
        instances = sorted(status["instances"], key=lambda one: (one["service"], one["instance"]))
        rows = [instance_row(one, now) for one in instances]
        verdict(status)

        st.subheader("Instances")
        if rows:
            st.dataframe(rows, key="instances", hide_index=True, alt="Running instances")
        else:
            feedback.show_empty("No service has reported yet", "Each one does so every five seconds once it runs.")

        left, right = st.columns(2)
        with left:
            st.subheader("Queues")
            show_queues(status)
        with right:
            st.subheader("Database")
            show_database(status["database"])


st.title("System")
overview()
ledger()
dead_letters()
