from __future__ import annotations

from iota2.core.tables import label_column, seed_column, seed_columns


def test_seed_columns_are_found_in_the_order_of_the_table():
    columns = ["originfid", seed_column(1), "i2label", seed_column(0), "seedling"]
    assert seed_columns(columns) == ["seed_1", "seed_0"]
    assert seed_columns([]) == []


def test_a_label_column_is_never_a_seed_column():
    assert seed_columns([label_column("SEED_0"), label_column("Code")]) == []
