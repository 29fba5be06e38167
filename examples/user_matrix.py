"""Users with a 4 × 4 matrix each: into a table, and from there through a denoising autoencoder.

    python examples/user_matrix.py [URL [USERS]]

URL is any database that SQLAlchemy reaches, such as mysql+pymysql://user@host/game; a table USER_MATRIX in it is
replaced. Default: a new SQLite file, and 1,000 users.
"""

import os
import sys
import tempfile

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import rowfeed
from rowfeed.keras import DenoisingAutoencoder


def main(url: str, users: int = 1_000) -> None:
    """Write, feed, train."""
    db = rowfeed.connect(url)
    grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))

    # A row for each cell that is not 0. Some users have none: they are samples all the same, named by their ids.
    rng = np.random.default_rng(0)
    matrices = rng.integers(-7, 17, (users, 4, 4), endpoint=True) * (rng.random((users, 4, 4)) < 0.3)
    rows = db.write(grid, matrices, if_exists="replace")
    print(f"{rows} rows of {users} users")

    feed = rowfeed.Feed(db, x=grid, y=grid, samples=range(users), batch_size=20, seed=0)
    train, validation = feed.split(0.8, 0.2)

    model = DenoisingAutoencoder((4, 4), noise=0.5, seed=0).adapt(train)
    model.encoder.summary()
    model.decoder.summary()

    # Training adds its noise by itself. To validate, the model is given noisy matrices and judged by the clean ones.
    noisy = model.corruption()
    validation = validation.replace(transform=lambda batch, rng: (noisy(batch[0], rng), batch[1]))
    model.compile("adam", loss="mse")
    model.fit(train.to_keras(), validation_data=validation.to_keras(), epochs=10, verbose=2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1], *map(int, sys.argv[2:3]))
    else:
        with tempfile.TemporaryDirectory() as directory:
            main(f"sqlite:///{directory}/users.db")
