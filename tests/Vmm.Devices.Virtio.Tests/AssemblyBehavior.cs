// One after the other: collections that other tests cause show in the allocation counter of a thread.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
