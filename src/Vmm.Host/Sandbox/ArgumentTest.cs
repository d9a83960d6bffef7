namespace Vmm.Host.Sandbox;

/// <summary>
/// A test of one argument. Its lower half alone is looked at: the kernel takes no more of a number of a request, a family, a command or a
/// process, and flags that are tested lie there.
/// </summary>
/// <param name="Index">Which argument, from 0.</param>
/// <param name="Mask">The bits that count.</param>
/// <param name="Value">What they must be.</param>
internal readonly record struct ArgumentTest(int Index, uint Mask, uint Value)
{
    /// <summary>The argument is one value.</summary>
    public static ArgumentTest Is(int index, uint value) => new(index, uint.MaxValue, value);

    /// <summary>None of these bits is set.</summary>
    public static ArgumentTest Lacks(int index, uint bits) => new(index, bits, 0);
}
