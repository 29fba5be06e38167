"""Which samples, in which order: the plan against its own text, `rowfeed.plan.order`, and against invariants."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from reference import examples, has_long_cycle

from rowfeed.plan.order import Plan, _shuffled, choose_window, largest_window, stream_key
from rowfeed.plan.split import hash_ids, parts

AWKWARD = [1, 2, 3, 16, 17, 255, 256, 257, 65_535, 65_536, 65_537]


def batches(plan: Plan, epoch: int = 0) -> list[list[int]]:
    """The positions of each batch of an epoch."""
    order = plan.epoch(epoch)
    return [order.batch(batch).tolist() for batch in range(len(plan))]


def line(plan: Plan, epoch: int = 0) -> np.ndarray:
    """All positions of an epoch, window by window."""
    order = plan.epoch(epoch)
    return np.concatenate([order.window(window) for window in range(plan.windows)])


plans = st.builds(
    lambda count, batch_size, batches_per_window, shuffle, seed, last_batch: Plan(
        count, batch_size, batch_size * batches_per_window, shuffle, seed, last_batch
    ),
    st.integers(1, 200),
    st.integers(1, 9),
    st.one_of(st.integers(1, 4), st.integers(30, 70)),
    st.booleans(),
    st.one_of(st.integers(0, 3), st.integers(-(2**70), 2**70)),
    st.sampled_from(["keep", "drop", "pad"]),
)


class TestOrder:
    """The order of an epoch."""

    def test_without_shuffle_the_order_is_that_of_the_ids(self):
        """Without shuffle, batches are runs of neighbours, and the last is short."""
        plan = Plan(7, batch_size=2, window=4, shuffle=False)
        assert batches(plan) == [[0, 1], [2, 3], [4, 5], [6]]
        assert [plan.epoch(0).window(w).tolist() for w in (0, 1)] == [[0, 1, 2, 3], [4, 5, 6]]

    def test_an_order_that_is_written_down(self):
        """An order of several windows, computed once by hand-written code, never changes."""
        got = batches(Plan(11, batch_size=2, window=4, seed=0), epoch=1)
        assert got == [[9, 0], [10, 8], [3, 6], [1, 5], [7, 4], [2]]
        assert has_long_cycle([i for batch in got for i in batch])

    def test_an_order_with_blocks_that_is_written_down(self):
        """An order of blocks of 2 samples, of which the last has 1, never changes."""
        plan = Plan(37, batch_size=1, window=32, seed=7)
        assert plan.block == 2
        got = line(plan, epoch=2).tolist()
        assert got[32:] == [9, 17, 1, 16, 0]
        assert got[:8] == [3, 31, 27, 4, 14, 23, 2, 24]
        assert has_long_cycle(got)

    def test_equal_words_keep_their_order(self, monkeypatch):
        """Of two samples that draw the same word, which 2^64 make rare, the first one stays first."""

        class Few:
            def __init__(self, key):
                self.key = key

            def random_raw(self, count):
                return (np.arange(count, dtype=np.uint64) * np.uint64(7)) % np.uint64(5)

        monkeypatch.setattr(np.random, "Philox", Few)
        assert _shuffled(1_000, "x").tolist() == sorted(range(1_000), key=lambda i: i * 7 % 5)

    @examples(150)
    @given(plans, st.integers(0, 5))
    def test_the_order_is_the_documented_one(self, plan, epoch):
        """Each batch holds what the text of `rowfeed.plan.order` says, computed by other code."""
        expected = reference.order(
            plan.count, plan.batch_size, plan.window, plan.shuffle, plan.seed, epoch, plan.last_batch
        )
        assert batches(plan, epoch) == expected

    @pytest.mark.parametrize("window", [32, 64, 96, 100, 128])
    def test_the_order_with_short_last_blocks_is_the_documented_one(self, window):
        """Blocks of 2 to 8 samples, with a last block of every length, and a last window of every length."""
        for count in range(window - 10, window + 24):
            plan = Plan(count, batch_size=1, window=window, seed=count)
            assert batches(plan) == reference.order(count, 1, window, True, count, 0, "keep"), count

    def test_one_window_has_the_documented_order_too(self):
        """A feed that fits in one window is ordered by the same rules: blocks first, then the window."""
        plan = Plan(6, batch_size=2, window=8, seed=3)
        assert batches(plan) == reference.order(6, 2, 8, True, 3, 0, "keep")

    def test_the_reference_draws_the_words_that_numpy_draws(self):
        """The random words are those of Philox 4x64-10, on any version of numpy."""
        key = stream_key(0, 1, "window", 2)
        assert np.random.Philox(key=key).random_raw(11).tolist() == reference.philox(key, 11)
        assert reference.philox_block(0, 0) == [  # Random123's own test vector
            0x16554D9ECA36314C,
            0xDB20FE9D672D0FDC,
            0xD7E772CEE186176B,
            0x7E68B68AEC7BA23B,
        ]

    @pytest.mark.parametrize("count", AWKWARD)
    @pytest.mark.parametrize("last_batch", ["keep", "pad"])
    def test_every_sample_exactly_once(self, count, last_batch):
        """An epoch is a bijection, also at sizes around powers of two and with a short last block."""
        for batch_size, window in ((1, 48), (32, 2048), (7, 7 * 500)):
            if count > 1000 and batch_size == 1:
                continue
            got = line(Plan(count, batch_size, window, seed=5, last_batch=last_batch), epoch=1)
            assert got.dtype == np.int64
            assert np.array_equal(np.sort(got), np.arange(count))
            if count > 10:
                assert has_long_cycle(got.tolist())

    @examples(150)
    @given(plans, st.integers(0, 3))
    def test_batches_cover_and_are_disjoint(self, plan, epoch):
        """Every sample is in one batch; with drop, only fewer than a batch of them are in none."""
        got = [i for batch in batches(plan, epoch) for i in batch]
        assert len(got) == len(set(got))
        missing = set(range(plan.count)) - set(got)
        assert len(missing) == (plan.count % plan.batch_size if plan.last_batch == "drop" else 0)

    @examples(60)
    @given(plans, st.integers(0, 3))
    def test_deterministic(self, plan, epoch):
        """The same plan gives the same order; a window can be asked for alone, in any sequence."""
        again = Plan(plan.count, plan.batch_size, plan.window, plan.shuffle, plan.seed, plan.last_batch).epoch(epoch)
        order = plan.epoch(epoch)
        for window in reversed(range(plan.windows)):
            assert np.array_equal(order.window(window), again.window(window))
            assert np.array_equal(order.window(window), order.window(window))

    def test_epochs_and_seeds_differ(self):
        """Another epoch or seed is another order; seed and epoch are not added up."""
        orders = {
            (seed, epoch): tuple(line(Plan(40, 4, 16, seed=seed), epoch)) for seed in range(4) for epoch in range(4)
        }
        assert len(set(orders.values())) == 16
        assert stream_key(1, 23) != stream_key(12, 3)
        assert tuple(line(Plan(40, 4, 16, seed=-1), 0)) not in orders.values()

    def test_samples_are_mixed_over_the_whole_table(self):
        """A window draws from all over the line, not from one part of it."""
        first = Plan(10_000, batch_size=10, window=1_000, seed=1).epoch(0).window(0)
        assert np.histogram(first, bins=5, range=(0, 10_000))[0].min() > 100

    @pytest.mark.parametrize("count", [9, 10, 11])
    def test_no_sample_is_dropped_for_ever(self, count):
        """With drop, other samples are left out in other epochs: each is trained on sooner or later."""
        plan = Plan(count, batch_size=4, window=8, last_batch="drop")
        seen = {i for epoch in range(60) for batch in batches(plan, epoch) for i in batch}
        assert seen == set(range(count))

    @pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
    def test_integers_of_numpy_are_integers(self, kind):
        """The integers of numpy as epoch or batch change nothing: the order is a function of their values."""
        plan = Plan(40, 4, 16, seed=3)
        for batch in range(len(plan)):
            expected = plan.epoch(2).batch(batch).tolist()
            assert plan.epoch(kind(2)).batch(batch).tolist() == expected
            assert plan.epoch(2).batch(kind(batch)).tolist() == expected


class TestSizes:
    """Windows, blocks and batches."""

    @pytest.mark.parametrize(
        ("count", "last_batch", "batches", "windows"),
        [
            (12, "keep", 3, 2),
            (12, "drop", 3, 2),
            (12, "pad", 3, 2),
            (13, "keep", 4, 2),
            (13, "drop", 3, 2),
            (13, "pad", 4, 2),
            (9, "drop", 2, 1),
            (8, "keep", 2, 1),
            (17, "keep", 5, 3),
            (17, "drop", 4, 2),
            (3, "drop", 0, 0),
            (1, "keep", 1, 1),
        ],
    )
    def test_batches_and_windows(self, count, last_batch, batches, windows):
        """Batches and windows are counted, the last of each rounded up or dropped."""
        plan = Plan(count, batch_size=4, window=8, last_batch=last_batch)
        assert (len(plan), plan.windows, plan.batches_per_window) == (batches, windows, 2)

    @pytest.mark.parametrize(("window", "batch_size", "block"), [(8, 4, 1), (64, 4, 1), (128, 4, 2), (191, 1, 11)])
    def test_a_window_has_16_blocks_a_sample_of_a_batch(self, window, batch_size, block):
        """Blocks are as long as they can be with 16 of them per sample of a batch."""
        assert Plan(1000, batch_size, window).block == block

    @examples(60)
    @given(plans, st.integers(0, 2))
    def test_windows_are_full_but_the_last(self, plan, epoch):
        """Every window but the last has `window` samples, and a batch is a slice of its window."""
        order = plan.epoch(epoch)
        windows = [order.window(w) for w in range(plan.windows)]
        assert all(w.size == plan.window for w in windows[:-1])
        everything = [i for w in windows for i in w.tolist()]
        assert everything == [i for batch in batches(plan, epoch) for i in batch]

    @examples(200)
    @given(st.integers(1, 10**7), st.integers(1, 500), st.integers(1, 300), st.integers(1, 10**6))
    def test_a_window_fits_in_a_quarter_of_the_memory(self, memory_bytes, sample_bytes, batch_size, count):
        """The window is the largest number of whole batches that fits in a quarter of the memory, or all are alike."""
        window = choose_window(memory_bytes, sample_bytes, batch_size, count)
        assert window == reference.window(memory_bytes, sample_bytes, batch_size, count)
        largest = largest_window(memory_bytes, sample_bytes, batch_size)
        if largest:
            windows = -(-count // window)
            assert windows == -(-count // largest)
            assert windows * window - count < batch_size * max(1, windows) or windows == 1

    @pytest.mark.parametrize(
        ("memory_bytes", "sample_bytes", "batch_size", "count", "window"),
        [
            (4 * 64 * 20, 64, 20, 10**6, 20),
            (4 * 64 * 20 - 1, 64, 20, 10**6, 0),
            (4 * 64 * 60 - 1, 64, 20, 10**6, 40),
            (2**40, 4, 100, 1_000, 131_000),
            (2**40, 4, 200_000, 10**6, 200_000),
            (2**40, 4, 100, 131_001, 65_600),
            (4 * 4 * 100, 4, 10, 1_001, 100),
            (4 * 4 * 100, 4, 10, 401, 90),
        ],
    )
    def test_windows_by_hand(self, memory_bytes, sample_bytes, batch_size, count, window):
        """One byte too few is one batch fewer; at most 131,072 samples, but always a batch; no short last one."""
        assert choose_window(memory_bytes, sample_bytes, batch_size, count) == window


class TestSplit:
    """Hashes of ids, and cutting samples by them."""

    def test_hashes_that_are_written_down(self):
        """The hash of an id never changes: it says on which side a sample is."""
        ids = np.array([-(2**63), -1, 0, 1, 2**63 - 1])
        assert hash_ids(ids, "/a").tolist() == [reference.hash_integer(i, "/a") for i in ids.tolist()]
        words = np.array(["", "a", "é", "😀", "a\x00b"], np.dtypes.StringDType())
        assert hash_ids(words, "/a").tolist() == [reference.hash_text(i, "/a") for i in words.tolist()]
        assert hash_ids(np.array([0, 1]), "").tolist() == [0x7854EA0C3D92E6F7, 0xDD4C44D2FB3DF31B]
        assert hash_ids(np.array(["b"], np.dtypes.StringDType()), "").tolist() == [0x8214F21FECE42CE1]

    @examples(100)
    @given(
        st.lists(st.integers(0, 2**64 - 1), max_size=30),
        st.lists(st.floats(0.01, 1), min_size=1, max_size=5),
    )
    def test_parts_cover_and_are_disjoint(self, hashes, weights):
        """Every hash is in one part, the first and the last of all hashes as well."""
        fractions = [w / sum(weights) for w in weights]
        hashes = np.array([0, *hashes, 2**64 - 1], np.uint64)
        got = list(parts(hashes, fractions))
        assert len(got) == len(fractions)
        assert sorted(np.concatenate(got).tolist()) == list(range(hashes.size))
        assert all(part.tolist() == sorted(part.tolist()) for part in got)
        for low, high in pairwise(part for part in got if part.size):
            assert hashes[low].max() < hashes[high].min()

    def test_parts_by_hand(self):
        """A part takes the hashes from its share's start up to, not including, its end."""
        hashes = np.array([2**63, 2**63 - 1, 0, 2**64 - 1, 3 * 2**62 - 1, 3 * 2**62], np.uint64)
        assert [p.tolist() for p in parts(hashes, (0.5, 0.25, 0.25))] == [[1, 2], [0, 4], [3, 5]]

    @pytest.mark.parametrize("text", [False, True])
    def test_fractions_are_near(self, text):
        """Of 20,000 ids, each part has its share to within 1.5 percent."""
        ids = np.arange(20_000) if not text else np.array([str(i) for i in range(20_000)], np.dtypes.StringDType())
        got = [part.size / 20_000 for part in parts(hash_ids(ids, "s"), (0.7, 0.2, 0.1))]
        assert np.allclose(got, (0.7, 0.2, 0.1), atol=0.015)

    def test_salts_differ(self):
        """Another salt hashes anew: the two splits have nothing to do with each other."""
        ids = np.arange(10_000)
        one, two = (set(next(parts(hash_ids(ids, salt), (0.5, 0.5))).tolist()) for salt in ("a", "b"))
        assert 0.45 < len(one & two) / len(one) < 0.55
