"""The command line, as a user meets it: output, errors, exit codes."""

from __future__ import annotations

import html
import os
import pty
import re
import shlex
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

import rowfeed
from rowfeed.cli.main import main
from rowfeed.cli.train.recipe import Recipe

GRID = ["--table", "T", "--sample", "id", "--axes", "x,y", "--value", "v", "--shape", "4,4"]


def run(*words, **options):
    """`rowfeed …` as a process of its own, its output in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "rowfeed", *map(str, words)], capture_output=True, text=True, **options
    )


GRID_LAYOUT = rowfeed.Grid("T", sample="id", axes=("x", "y"), value="v", shape=(4, 4))


@pytest.fixture
def url(tmp_path):
    """A database with 40 samples: those with an even id are striped along x, the others along y."""
    stripes = np.zeros((40, 4, 4), np.float32)
    stripes[::2, 1], stripes[1::2, :, 2] = 5, -3
    url = f"sqlite:///{tmp_path / 'cells.db'}"
    rowfeed.connect(url).write(GRID_LAYOUT, stripes, ids=range(100, 140))
    return url


@pytest.mark.parametrize("command", ["demo", "populate", "train", "bench"])
def test_help_shows_examples_and_exit_codes(command, capsys):
    """Every command explains itself, with examples that its own parser accepts."""
    from rowfeed.cli.commands import program

    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "  Exit codes: 0 done, 1 it failed and says why, 2 wrong arguments, 130 interrupted\n" in text
    assert "ROWFEED_PASSWORD" in text
    examples = text.split("Examples:\n")[1].split("\n\n")[0].replace("\\\n", "").splitlines()
    commands = [shlex.split(line)[1:] for line in examples]
    assert len(commands) >= 2
    for words in commands:
        assert words[0] == command
        assert program.commands[command].make_context(command, words[1:]).params


@pytest.mark.parametrize("command", ["train", "bench"])
def test_help_tells_the_defaults_of_a_feed(command, capsys):
    """What the help says of memory and scans, for which it does not load a feed, is what a feed has."""
    from rowfeed.access.address import DEFAULT_MAX_SCANNED_ROWS
    from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES

    assert main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"may hold in memory [default: ({DEFAULT_MEMORY_BYTES:,}, " in text
    assert f"an epoch may scan [default: ({DEFAULT_MAX_SCANNED_ROWS:,})" in text


def test_help_tells_the_defaults_of_a_training(capsys):
    """The help of `train` has a recipe's numbers."""
    assert main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    recipe = Recipe()
    for shown in (
        f"over the data [default: {recipe.epochs};",
        f"in a batch [default: {recipe.batch_size};",
        f"at the start [default: {recipe.learning_rate};",
        f"or of the value range [default: {recipe.noise};",
        f"not to train on [default: {recipe.validation};",
        f"first weights [default: {recipe.seed};",
    ):
        assert shown in text


@pytest.mark.parametrize("option", ["duplicates", "out_of_range", "null", "if_exists"])
def test_choices_are_those_of_the_library(option, tmp_path):
    """What the command offers, for which it does not load a layout, is what a layout and `db.write` take."""
    from rowfeed.cli.commands import program

    command = program.commands["populate" if option == "if_exists" else "train"]
    offered = next(param.type.choices for param in command.params if param.name == option)
    with pytest.raises(rowfeed.ArgumentError) as refused:
        if option == "if_exists":
            db = rowfeed.connect(f"sqlite:///{tmp_path}/x.db")
            db.write(GRID_LAYOUT, np.zeros((1, 4, 4), np.float32), if_exists="?")
        else:
            rowfeed.Grid("T", sample="id", axes="x", value="v", shape=4, **{option: "?"})
    assert str(refused.value).startswith(f"expected one of {', '.join(offered)}; got {option}=")


HEAVY = "import sys; heavy = {'keras', 'numpy', 'sqlalchemy', 'matplotlib', 'sklearn'} & set(sys.modules)"


def loaded_after(code):
    """The heavy modules that are loaded when the code has run."""
    script = f"{code}\n{HEAVY}\nprint(*sorted(heavy))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split()[-5:]


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_help_loads_nothing_heavy(words):
    """`rowfeed --help` is fast: it imports neither numpy nor SQLAlchemy nor a framework."""
    code = f"from rowfeed.cli.main import main\nmain({words})\nprint()"
    assert not {"keras", "numpy", "sqlalchemy", "matplotlib", "sklearn"} & set(loaded_after(code))


def test_that_test_can_fail():
    """The check of what is loaded does see a heavy module."""
    assert "sqlalchemy" in loaded_after("import rowfeed.database.database")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "Missing command. See rowfeed --help."),
        (["fly"], "No such command 'fly'. See rowfeed --help."),
        (
            ["train", "sqlite:///x.db"],
            "required: '--table', '--sample', '--axes', '--value', '--shape'. See rowfeed train",
        ),
        (["train", *GRID[2:]], "required: 'URL', '--table'. See rowfeed train --help."),
        (["demo", "--epoch", "1"], "Did you mean '--epochs'? See rowfeed demo --help."),
        (["demo", "--epochs", "0"], "Invalid value for '--epochs': 0 is not in the range x>=1."),
        (["demo", "--epochs", "1.5"], "Invalid value for '--epochs': '1.5' is not a valid integer"),
        (["demo", "--backend", "mxnet"], "Invalid value for '--backend': 'mxnet' is not one of 'jax', "),
        (["populate", "u", "--shape", "4,0"], "expected 1 to 4 whole numbers of at least 1 with commas between"),
        (["populate", "u", "--density", "1.5"], "'--density': 1.5 is not in the range 0<=x<=1."),
        (["train", "u", *GRID, "--shape", "4"], "expected 2 whole numbers of at least 1 with commas between"),
        (["train", "u", *GRID, "--axes", "x,x"], "expected 2 different column names with commas between; got 'x,x'"),
        (["train", "u", *GRID, "--noise", "-1"], "'--noise': -1.0 is not in the range x>=0."),
        (["train", "u", *GRID, "--noise", "nan"], "'--noise': expected a finite number; got 'nan'"),
        (["train", "u", *GRID, "--learning-rate", "0"], "'--learning-rate': 0.0 is not in the range x>0."),
        (["train", "u", *GRID, "--throttle", "inf"], "'--throttle': expected a finite number; got 'inf'"),
        (["train", "u", *GRID, "--validation", "1"], "'--validation': 1.0 is not in the range 0<x<1."),
        (["train", "u", *GRID, "--value-range", "5,5"], "expected two numbers, the lower first, such as 0,255"),
    ],
)
def test_wrong_arguments_exit_2(words, complaint, capsys):
    """What cannot be right is refused before anything happens: exit code 2, one line, and which argument is wrong."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rowfeed: error: ")
    assert err.count("\n") == 1
    assert complaint in err


@pytest.mark.parametrize("words", [["--value-range=-7,17"], ["--value-range", "-7,17"]])
def test_values_may_begin_with_a_minus(words):
    """A range that begins below 0 is a value, not an option."""
    from rowfeed.cli.commands import program

    context = program.commands["train"].make_context("train", ["u", *GRID, *words])
    assert context.params["value_range"] == (-7, 17)


@pytest.mark.parametrize("words", [["--help"], ["populate", "sqlite://"]])
def test_without_click_the_extra_is_named(words):
    """Where click is not installed, any command says in one line how to install it, and nothing more."""
    code = f"import sys; sys.modules['click'] = None; from rowfeed.cli.main import main; sys.exit(main({words}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "rowfeed: error: expected click, which reads the command line; it is not installed. Run pip install "
        '"rowfeed[cli]".\n'
    )


def test_an_error_is_one_line_and_exit_1(tmp_path):
    """Errors are one line on stderr, without traceback; nothing is on stdout."""
    done = run("train", f"sqlite:///{tmp_path}/none.db", *GRID, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"rowfeed: error: expected a SQLite file at {tmp_path}/none.db; got none. Check the path: sqlite:///file.db "
        "begins in the working directory, sqlite:////file.db at the root.\n"
    )


def test_traceback_shows_where_an_error_comes_from(tmp_path, capsys):
    """With --traceback, the same line comes after the traceback."""
    url = f"sqlite:///{tmp_path}/x.db"
    assert main(["populate", url, "--samples", "3"]) == 0
    assert main(["populate", url, "--samples", "3", "--traceback"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert err.splitlines()[-1] == (
        f"rowfeed: error: expected no table 'USER_MATRIX_USERS' yet; got one in {url}. "
        "Pass --if-exists append or replace, or another --table."
    )


def test_a_wrong_column_is_named(url, tmp_path, capsys):
    """A misspelt column is answered with the one that comes close."""
    assert main(["train", url, *GRID, "--value", "vv", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "rowfeed: error: expected a column 'vv' in T; got columns ['id', 'x', 'y', 'v']. Did you mean 'v'?\n"
    )


def test_no_password_in_messages(capsys, monkeypatch):
    """A URL's password appears in no message and in no command to paste."""
    assert main(["populate", "nosuchengine://me:hunter2@host/db"]) == 1
    assert "hunter2" not in "".join(capsys.readouterr())
    assert main(["populate", "me:hunter2@host"]) == 1
    assert "hunter2" not in "".join(capsys.readouterr())
    assert main(["populate", "sqlite:///x.db", "mysql+pymysql://me:hunter2@host/db"]) == 2
    err = capsys.readouterr().err
    assert "(mysql+pymysql://me:***@host/db)" in err
    assert "hunter2" not in err


def test_an_unwritable_directory_is_an_error(url, tmp_path, capsys):
    """Where the directory cannot be made, it says so before it trains."""
    (tmp_path / "file").write_text("")
    assert main(["train", url, *GRID, "--out", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err == f"rowfeed: error: [Errno 20] Not a directory: '{tmp_path}/file/out'\n"


@pytest.mark.parametrize(
    ("words", "limits"),
    [
        ([], {"throttle": None, "memory_bytes": 2**28, "max_scanned_rows": 10**9}),
        (["--throttle", "0.25"], {"throttle": 0.25}),
        (["--throttle", "9e3"], {"throttle": 9e3}),
        (["--memory-bytes", "99999", "--max-scanned-rows", "7"], {"memory_bytes": 99_999, "max_scanned_rows": 7}),
    ],
)
def test_limits_reach_the_feed(url, tmp_path, monkeypatch, words, limits):
    """What limits a feed is that of the feed that is trained on; without a word a feed has its own."""
    from rowfeed.cli.train import study

    made = []

    def train(feed, *_):
        made.append(feed)
        raise rowfeed.Error("enough")

    monkeypatch.setattr(study, "train", train)
    assert main(["train", url, *GRID, *words, "--out", str(tmp_path / "out")]) == 1
    options, address = made[0]._options, made[0]._options.address
    found = {"memory_bytes": options.memory_bytes, "max_scanned_rows": address.max_scanned_rows}
    found["throttle"] = address.throttle.limit
    assert {name: found[name] for name in limits} == limits


@pytest.mark.parametrize(("module", "package"), [("matplotlib", "matplotlib"), ("sklearn", "scikit-learn")])
def test_a_missing_package_names_the_extra(module, package, tmp_path, monkeypatch, capsys):
    """Without matplotlib or scikit-learn the demo says what to install, and has written nothing."""
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        f"rowfeed: error: expected {package}, for the pictures and the comparison; it is not installed. "
        'Run pip install "rowfeed[demo]".\n'
    )
    assert not (tmp_path / "out").exists()


def test_a_closed_pipe_ends_it_quietly(tmp_path):
    """`rowfeed … | head -0` ends without a word on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "rowfeed", "populate", f"sqlite:///{tmp_path}/x.db", "--samples", "3"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_interrupt_exits_130(tmp_path):
    """Ctrl-C ends it with one line and exit code 130; on a terminal, populate counts up as it goes."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "rowfeed", "populate", f"sqlite:///{tmp_path}/x.db", "--samples", "100000000"]
    with subprocess.Popen(words, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        shown = os.read(ours, 100).decode()
        process.send_signal(signal.SIGINT)
        err = process.communicate()[1]
    os.close(ours)
    assert shown.startswith("\r15,625 of 100,000,000 users")
    assert (process.returncode, err) == (130, "rowfeed: interrupted\n")


@pytest.mark.parametrize("how", ["on PATH", "by its path", "as a module"])
def test_commands_to_paste_start_the_program_that_runs(how, tmp_path, monkeypatch, capsys):
    """What it suggests starts with the way in which it was started itself, and leaves out a password."""
    program = tmp_path / ("__main__.py" if how == "as a module" else "rowfeed")
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path) if how == "on PATH" else "")
    assert main(["populate", f"sqlite:///{tmp_path}/x y.db", "--samples", "3"]) == 0
    start = {"on PATH": "rowfeed", "by its path": str(program), "as a module": f"{sys.executable} -m rowfeed"}[how]
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"  {start} train 'sqlite:///{tmp_path}/x y.db' --table USER_MATRIX --sample user_id --axes x,y --value value "
        "--shape 4,4 --samples-table USER_MATRIX_USERS --noise 1"
    )


@pytest.mark.keras
@pytest.mark.once
def test_train_in_a_pipe(url, tmp_path):
    """Training somebody's table leaves the four files; in a pipe there are only lines, and stderr stays empty."""
    out = tmp_path / "out"
    done = run("train", url, *GRID, "--epochs", 2, "--batch-size", 8, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["denoised.png", "history.png", "model.keras", "report.html"]
    assert not {"\r", "\b", "\x1b"} & set(done.stdout)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "40 samples of T, denoised" in page
    pasted = html.unescape(re.search("<pre>(.*?)</pre>", page, re.DOTALL)[1]) + "\nprint(model.code_size)"
    assert subprocess.run([sys.executable, "-c", pasted], capture_output=True, text=True).stdout == "8\n"
    assert "that it never saw, the autoencoder adds at least as much error as it takes away: its mean" in page
    assert "cannot hold" not in page
    lines = done.stdout.splitlines()
    assert 'Model: "encoder"' in lines
    assert 'Model: "decoder"' in lines
    assert [line.split()[:2] for line in lines if line.startswith("epoch")] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert lines[-3:] == [f"Wrote {out / name}" for name in ("history.png", "denoised.png", "report.html")]
    path = out / "model.keras"
    assert f"Wrote {path}: after import rowfeed.keras, keras.saving.load_model({str(path)!r}) loads it." in lines


@pytest.mark.keras
def test_interrupted_training_leaves_the_model(url, tmp_path):
    """Ctrl-C after some epochs leaves model.keras alone, says so and after how many, and exits 130; the model loads."""
    import keras

    out = tmp_path / "out"
    words = [sys.executable, "-m", "rowfeed", "train", url, *GRID, "--epochs", "100000", "--out", str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch      2/100000"):
                process.send_signal(signal.SIGINT)
                break
        rest, err = process.communicate()
    assert (process.returncode, err) == (130, "rowfeed: interrupted\n")
    said, wrote = rest.splitlines()[-2:]
    assert int(re.fullmatch(r"Interrupted after (\d+) of 100000 epochs\.", said)[1]) >= 2
    assert wrote.startswith(f"Wrote {out}/model.keras: after import rowfeed.keras, ")
    assert [path.name for path in out.iterdir()] == ["model.keras"]
    assert keras.saving.load_model(out / "model.keras").predict(np.zeros((3, 4, 4)), verbose=0).shape == (3, 4, 4)


@pytest.mark.keras
@pytest.mark.once
def test_train_with_channels_samples_table_and_policies(tmp_path, capsys):
    """Channels, an oblong shape, text ids, samples without rows and policies for odd rows: all reach the feed."""
    url = f"sqlite:///{tmp_path}/shop.db"
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("CREATE TABLE pixels (item TEXT, y INT, x INT, r REAL, g REAL, b REAL, PRIMARY KEY (item, y, x))")
        db.execute("CREATE TABLE items (name TEXT PRIMARY KEY)")
        names = [f"item{i}" for i in range(30)]
        db.executemany("INSERT INTO items VALUES (?)", [(name,) for name in [*names, "bare1", "bare2"]])
        rows = [(name, y, x, y, x, i) for i, name in enumerate(names) for y in range(3) for x in range(6)]
        db.executemany("INSERT INTO pixels VALUES (?, ?, ?, ?, ?, ?)", [*rows, ("item0", 3, 0, 1, 1, 1)])
    words = [
        "train",
        url,
        "--table",
        "pixels",
        "--sample",
        "item",
        "--axes",
        "y,x",
        "--value",
        "r,g,b",
        "--shape",
        "3,6",
    ]
    words += ["--samples-table", "items", "--samples-column", "name", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(words) == 1
    assert capsys.readouterr().err == (
        "rowfeed: error: y must be in 0..2 (axis of shape (3, 6)); got 3 at pixels.y, item='item0'. "
        "Fix the row, enlarge --shape, or pass --out-of-range drop.\n"
    )
    assert main([*words, "--out-of-range", "drop", "--where", "r >= 0"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "32 samples of pixels, denoised" in page
    assert "pixels (item, y, x, r, g, b) where r &gt;= 0; rows outside of the shape are dropped" in page
    assert "listed in items.name" in page


@pytest.mark.keras
def test_a_faulty_row_met_while_training_keeps_its_error(url, tmp_path, capsys):
    """A row that only validation meets is named on every backend, as the error it is."""
    feed = rowfeed.Feed(rowfeed.connect(url), x=GRID_LAYOUT)
    sample = feed.split(0.8, 0.2)[1].sample_ids[0]
    with sqlite3.connect(tmp_path / "cells.db") as db:
        db.execute(
            "UPDATE T SET y = 9 WHERE id = ? AND x = (SELECT MIN(x) FROM T WHERE id = ?) AND y = "
            "(SELECT MIN(y) FROM T WHERE id = ?)",
            (int(sample),) * 3,
        )
    assert main(["train", url, *GRID, "--epochs", "1", "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"rowfeed: error: y must be in 0..3 (axis of shape (4, 4)); got 9 at T.y, id={sample}.")
    assert err.count("\n") == 1


@pytest.mark.keras
@pytest.mark.usefixtures("warned_of_few_rows")
def test_a_table_without_index_is_a_warning_of_one_line(tmp_path, capsys):
    """It trains all the same, and says once which index to create."""
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("CREATE TABLE T (id INT, x INT, y INT, v REAL)")
        db.executemany("INSERT INTO T VALUES (?, 1, 2, ?)", [(i, i) for i in range(20)])
    url = f"sqlite:///{tmp_path}/x.db"
    assert main(["train", url, *GRID, "--epochs", "1", "--noise", "0", "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "that it never saw, the autoencoder gives back clean input with a mean squared error of" in page
    warnings = [line for line in capsys.readouterr().err.splitlines() if line]
    assert warnings == [
        "rowfeed: warning: T has no index that starts with id, so each request scans the whole table: "
        '1 scan of 20 rows in the first epoch (later ones come from memory). Create one: CREATE INDEX "T_id" ON '
        '"T" (id)'
    ]


@pytest.mark.keras
def test_a_training_that_diverges_is_an_error(url, tmp_path, capsys):
    """Losses that are no numbers leave no model and no report, but say what to change."""
    words = ["train", url, *GRID, "--learning-rate", "1e30", "--epochs", "2", "--out", str(tmp_path / "out")]
    assert main(words) == 1
    assert capsys.readouterr().err == (
        "rowfeed: error: expected losses that stay finite; got --learning-rate 1e+30, with which training diverged. "
        "Pass a smaller one.\n"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.keras
def test_values_that_are_not_finite_are_an_error(url, tmp_path, capsys):
    """An infinite value in the table is refused in one line before training."""
    with sqlite3.connect(tmp_path / "cells.db") as db:
        db.execute("UPDATE T SET v = 9e999")
    assert main(["train", url, *GRID, "--epochs", "1", "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("rowfeed: error: expected finite values; got ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_table_without_an_index_is_scanned_so_much(url, tmp_path, capsys, command):
    """More rows than `--max-scanned-rows` are refused, with the arithmetic and the way out."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE U AS SELECT * FROM T")
        rows = connection.execute("SELECT count(*) FROM U").fetchone()[0]
    words = [command, url, *GRID, "--table", "U", "--max-scanned-rows", str(rows - 1), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert f"expected at most --max-scanned-rows {rows - 1} rows scanned in an epoch; got {rows} rows × 1 scan" in said
    assert "CREATE INDEX" in said


def test_bench_takes_no_throttle(capsys):
    """It measures without a limit: one is refused, not left out."""
    assert main(["bench", "sqlite:///x.db", *GRID, "--throttle", "0.5"]) == 2
    assert "No such option '--throttle'" in capsys.readouterr().err
