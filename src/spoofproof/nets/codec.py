"""A neural codec of mel spectrograms: ConvNeXt, residual vector quantisation, ConvNeXt."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .vocoder import BANDS, Block

WORDS = 256  # in a codebook: 8 bits a stage, 62.5 times a second: 0.5 kbit/s a stage


class Residual(nn.Module):  # type: ignore[misc]
    """Residual vector quantisation: each stage codes what the stages before it left (Zeghidour et al. 2021, §III-C).

    Codebooks follow their vectors by exponential averages (van den Oord et al. 2017, appendix A.1); a word that is
    hardly used any more takes the place of a vector that was just heard.
    """

    def __init__(self, stages: int, size: int, keep: float = 0.99, dead: float = 0.1) -> None:
        super().__init__()
        self.keep, self.dead = keep, dead
        self.register_buffer("books", torch.randn(stages, WORDS, size) * 0.1)
        self.register_buffer("sums", self.books.clone() * 0)
        self.register_buffer("counts", torch.zeros(stages, WORDS))

    def words(self, x: Tensor) -> Tensor:
        """(N, size) vectors -> (N, stages) indices of the nearest words, stage by stage."""
        chosen = []
        for book in self.books:
            index = self._nearest(x, book)
            chosen.append(index)
            x = x - book[index]
        return torch.stack(chosen, dim=1)

    def vectors(self, words: Tensor, kept: Tensor) -> Tensor:
        """(N, stages) indices and (N or 1, stages) zeros and ones, what is kept -> (N, size): sums of kept words."""
        total = torch.zeros(())
        for stage, book in enumerate(self.books):
            total = total + book[words[:, stage]] * kept[:, stage, None]
        return total

    def learn(self, x: Tensor, kept: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """As ``vectors(words(x), kept)``, with x's gradient passed straight through, and the commitment loss.

        Moves the codebooks towards what they were nearest to, all stages whatever is kept.
        """
        rest = x.detach()
        total, loss = torch.zeros_like(x), torch.zeros(())
        for stage in range(len(self.books)):
            book = self.books[stage]
            index = self._nearest(rest, book)
            word = book[index]
            self._follow(stage, rest, index, rng)
            mask = kept[:, stage, None]
            total = total + word * mask
            loss = loss + (mask * (x - total).square()).mean()
            rest = rest - word
        return x + (total - x).detach(), loss / len(self.books)

    @staticmethod
    def _nearest(x: Tensor, book: Tensor) -> Tensor:
        return (x @ book.T - 0.5 * book.square().sum(dim=1)).argmax(dim=1)

    def _follow(self, stage: int, x: Tensor, index: Tensor, rng: torch.Generator) -> None:
        counts, sums = self.counts[stage], self.sums[stage]
        counts.mul_(self.keep).index_add_(0, index, torch.full((len(x),), 1 - self.keep))
        sums.mul_(self.keep).index_add_(0, index, x, alpha=1 - self.keep)
        gone = (counts < self.dead * len(x) / WORDS).nonzero()[:, 0]
        if len(gone):
            fresh = x[torch.randint(len(x), (len(gone),), generator=rng)]
            start = len(x) / WORDS  # as if it had been used as much as the average word
            counts[gone], sums[gone] = start, fresh * start
        self.books[stage] = sums / counts[:, None]


class Codec(nn.Module):  # type: ignore[misc]
    """(B, 80, K) log mel magnitudes -> (B, 80, K): encoder, quantiser and decoder. A vocoder makes sound of it.

    encoder, decoder: ConvNeXt blocks on each side; latent: size of what is quantised; stages of 0.5 kbit/s.
    """

    def __init__(
        self, *, width: int = 96, inner: int = 192, encoder: int = 2, decoder: int = 3, latent: int = 24, stages: int = 12
    ) -> None:  # fmt: skip
        super().__init__()
        self.enter = nn.Conv1d(BANDS, width, 3, padding=1)
        self.listen = nn.Sequential(*[Block(width, inner, 1 / encoder) for _ in range(encoder)])
        self.narrow = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, latent))
        self.even = nn.BatchNorm1d(
            latent, affine=False
        )  # else loudness fills the first codebook and nothing follows
        self.quantiser = Residual(stages, latent)
        self.widen = nn.Conv1d(latent, width, 7, padding=3)
        self.norm = nn.LayerNorm(width)
        self.speak = nn.Sequential(*[Block(width, inner, 1 / decoder) for _ in range(decoder)])
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, BANDS))

    def forward(self, mel: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 80, K) and (1, stages) of zeros and ones -> words (B, K, stages) and (B, 80, K) made of kept words alone."""
        latent = self.encode(mel)
        words = self.quantiser.words(latent.flatten(0, 1))
        vectors = self.quantiser.vectors(words, kept)
        shape = (mel.shape[0], mel.shape[2], -1)
        return words.reshape(shape), self.decode(vectors.reshape(shape))

    def learn(self, mel: Tensor, stages: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """A training step's view: (B, 80, K), (B,) stages kept of each -> (B, 80, K) and the commitment loss.

        Nought stages: the latent goes to the decoder as it is, so that the encoder learns what is worth saying
        (Mimi does so with half of its batches, Défossez et al. 2024, §3.3.2).
        """
        latent = self.encode(mel)
        kept = torch.arange(len(self.quantiser.books)) < stages[:, None]  # (B, stages)
        spread = kept.float().repeat_interleave(latent.shape[1], dim=0)
        vectors, loss = self.quantiser.learn(latent.flatten(0, 1), spread, rng)
        open_ = (stages == 0)[:, None, None]
        return self.decode(torch.where(open_, latent, vectors.reshape(latent.shape))), loss

    def encode(self, mel: Tensor) -> Tensor:
        """(B, 80, K) -> (B, K, latent), each number of mean 0 and variance 1 over speech."""
        y = self.narrow(self.listen(self.enter(mel)).transpose(1, 2))
        return self.even(y.transpose(1, 2)).transpose(1, 2)

    def decode(self, latent: Tensor) -> Tensor:
        """(B, K, latent) -> (B, 80, K)."""
        x = self.norm(self.widen(latent.transpose(1, 2)).transpose(1, 2)).transpose(1, 2)
        mel: Tensor = self.leave(self.speak(x).transpose(1, 2))
        return mel.transpose(1, 2)
