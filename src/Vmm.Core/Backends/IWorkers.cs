namespace Vmm.Core.Backends;

/// <summary>Runs the work of devices beside the vCPUs: devices know no threads.</summary>
public interface IWorkers
{
    /// <summary>Makes a worker for one piece of work, which may block. It runs on one thread at a time.</summary>
    /// <param name="name">For people: shown as the thread's name.</param>
    /// <param name="work">What to do at each wake. Must not throw.</param>
    IWorker Create(string name, Action work);
}
