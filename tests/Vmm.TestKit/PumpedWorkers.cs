using Vmm.Core.Backends;

namespace Vmm.TestKit;

/// <summary>Workers that work only when the test says so, on its thread.</summary>
public sealed class PumpedWorkers : IWorkers
{
    private readonly List<Worker> _workers = [];

    public IWorker Create(string name, Action work)
    {
        Worker worker = new(work);
        _workers.Add(worker);
        return worker;
    }

    /// <summary>Lets every worker that was woken run, until none is.</summary>
    /// <returns>How many runs there were.</returns>
    public int Run(int limit = 10_000)
    {
        for (int runs = 0; ; runs++)
        {
            Worker? next = _workers.Find(w => w.IsAwake);
            if (next is null) return runs;
            if (runs == limit) throw new InvalidOperationException("the workers never rest");
            next.RunOnce();
        }
    }

    private sealed class Worker(Action work) : IWorker
    {
        private bool _isDisposed;

        public bool IsAwake { get; private set; }

        public void Wake() => IsAwake = !_isDisposed;

        public void RunOnce()
        {
            IsAwake = false;
            work();
        }

        public void Dispose() => (_isDisposed, IsAwake) = (true, false);
    }
}
