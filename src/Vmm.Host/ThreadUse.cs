namespace Vmm.Host;

/// <summary>What a thread does and has cost.</summary>
/// <param name="IsRunning">It has a processor, or waits for one.</param>
/// <param name="CpuTime">Its time on processors.</param>
/// <param name="Processor">Where it ran last.</param>
public readonly record struct ThreadUse(bool IsRunning, TimeSpan CpuTime, int Processor);
