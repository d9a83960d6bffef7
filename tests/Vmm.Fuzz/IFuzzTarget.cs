namespace Vmm.Fuzz;

/// <summary>
/// A piece of code that must bear any bytes. Targets are found by their type: a class that implements this, has a constructor
/// without parameters and seeds in <c>tests/Vmm.Fuzz/corpus/NAME/</c>.
/// </summary>
public interface IFuzzTarget
{
    /// <summary>As it is named on the command line, and its folder in the corpus.</summary>
    string Name { get; }

    /// <summary>Longer inputs are not made.</summary>
    int MostBytes => 128 * 1024;

    /// <summary>The longest time that one input may take on a busy machine.</summary>
    TimeSpan MostTime => TimeSpan.FromSeconds(10);

    /// <summary>The most that one input may allocate on the thread that runs it.</summary>
    long MostAllocatedBytes => 256L << 20;

    /// <summary>The fewest inputs that the few seconds of a test must do: less where each is a machine of its own.</summary>
    int LeastInputs => 50;

    /// <summary>
    /// Feeds one input. Does the same for the same bytes. What the code may throw by its contract is caught here; everything else
    /// that comes out is a finding.
    /// </summary>
    void Run(ReadOnlySpan<byte> input);
}
