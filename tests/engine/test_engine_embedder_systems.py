"""Every system of the method is embedded as its branches say, each encoder running once a batch."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from system_bundles import BRANCHES, SIZES, contents_of

from asdstream import bundle
from asdstream.bundle import Branch
from asdstream.engine.embedder import Embedder
from asdstream.models import fbank
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from asdstream.models.loudness import beside


def sound(count: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).normal(size=(count, 160_000))).astype(np.float32)


@pytest.mark.parametrize("system", list(BRANCHES))
def test_an_embedding_is_what_the_head_makes_of_whole_encoders(system: str, tmp_path: Path) -> None:
    saved = bundle.save(tmp_path / system, contents_of(system))
    samples = sound(2)
    vectors = Embedder(saved, device="cpu", precision="float32", threads=1).embed_samples(samples)
    assert {name: rows.shape for name, rows in vectors.items()} == {n: (2, size) for n, size in SIZES[system].items()}
    with torch.inference_mode():
        for branch in saved.branches:
            tokens = [saved.build_encoder(name)(torch.from_numpy(samples)) for name in branch.encoders]
            embedding = saved.build_head(branch.name)(*tokens)
            loudness = saved.build_loudness(branch.name)
            if loudness is not None:
                heard = saved.build_encoder(branch.encoders[0]).front_end(torch.from_numpy(samples))
                embedding = beside(embedding, loudness(heard), branch.loudness)
            expected = torch.nn.functional.normalize(embedding).numpy()
            np.testing.assert_allclose(vectors[branch.name], expected, atol=1e-5)


def test_an_encoder_runs_once_a_batch_however_many_branches_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = contents_of("system3")
    more = (*contents.branches, Branch("mean", "beats"), Branch("bands", "beats", "bands"), Branch("a", "audiomae"))
    saved = bundle.save(tmp_path / "many", replace(contents, branches=more, machine_types={}))
    runs: Counter[str] = Counter()
    for network in (AudioMAE, BEATs):
        original = network.encode_fbank

        def counted(self: torch.nn.Module, *args: torch.Tensor, original=original) -> torch.Tensor:  # type: ignore[no-untyped-def]
            runs[type(self).__name__] += 1
            return original(self, *args)

        monkeypatch.setattr(network, "encode_fbank", counted)
    frames = fbank._frames

    def counted_frames(signal: torch.Tensor) -> torch.Tensor:
        runs["frames"] += 1
        return frames(signal)

    monkeypatch.setattr(fbank, "_frames", counted_frames)
    # The engine takes the networks' methods up when it is made.
    embedder = Embedder(saved, device="cpu", precision="float32", threads=1, max_batch=4)
    assert set(embedder.embed_samples(sound(2))) == {branch.name for branch in more}
    assert runs == {"AudioMAE": 1, "BEATs": 1, "frames": 1}


def test_front_end_and_pooling_keep_to_float32_where_the_encoders_do_not(tmp_path: Path) -> None:
    saved = bundle.save(tmp_path / "system3", contents_of("system3"))
    coarse = Embedder(saved, device="cpu", precision="bfloat16", threads=1)
    fine = Embedder(saved, device="cpu", precision="float32", threads=1)
    assert {tensor.dtype for tensor in coarse._encoders._heads["fused"].state_dict().values()} == {torch.float32}
    samples = sound(2)
    cosine = np.sum(coarse.embed_samples(samples)["fused"] * fine.embed_samples(samples)["fused"], axis=1)
    assert float(np.max(1 - cosine)) < 1e-3
