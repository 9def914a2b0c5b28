"""In which order the classes of a confusion matrix stand."""

import numpy as np
from numpy.typing import NDArray


def confusion_order(rates: NDArray[np.floating]) -> NDArray[np.intp]:
    """Order classes so that those mistaken for each other stand side by side.

    The likeness of two classes is s[i, j] = (rates[i, j] + rates[j, i]) / 2. Classes that a chain
    of mistakes joins make a block. Within it, they are the leaves of a tree by average linkage of
    the distances 1 - s, turned so that neighbours are as alike as the tree allows; the end that
    comes first in `rates` is on top. Blocks follow by falling sum of s, then as in `rates`;
    classes without a mistake are blocks of their own, and therefore last.

    Args:
        rates: Share of the rows of each true class that was predicted as each class, shape
            [C, C], of values in [0, 1], in the order that decides between equals.

    Returns:
        Places in `rates` from first to last, a permutation of 0 to C - 1, shape [C].

    References:
        Bar-Joseph, Gifford and Jaakkola, Fast optimal leaf ordering for hierarchical clustering,
        Bioinformatics 2001.

    Examples:
        >>> rates = np.array([[0.9, 0, 0.1, 0], [0, 1, 0, 0], [0.2, 0, 0.8, 0], [0, 0, 0, 1]])
        >>> confusion_order(rates)
        array([0, 2, 1, 3])
    """
    from scipy.sparse.csgraph import connected_components

    likeness = (rates + rates.T) / 2
    np.fill_diagonal(likeness, 0.0)
    n_blocks, block_of_class = connected_components(likeness > 0, directed=False)
    blocks = [_leaves(likeness, np.flatnonzero(block_of_class == k)) for k in range(n_blocks)]
    # Rounded, so that the order in which a sum was made does not decide.
    blocks.sort(key=lambda block: (-round(float(likeness[block].sum()), 9), block.min()))
    return np.concatenate([np.empty(0, np.intp), *blocks])


def _leaves(likeness: NDArray[np.floating], block: NDArray[np.intp]) -> NDArray[np.intp]:
    """The classes of a block in the order of the leaves of their tree."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(block) < 3:
        return block
    distances = squareform(1 - likeness[np.ix_(block, block)], checks=False)
    leaves = block[leaves_list(linkage(distances, "average", optimal_ordering=True))]
    return leaves if leaves[0] < leaves[-1] else leaves[::-1]
