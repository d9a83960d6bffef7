using Vmm.Core.Interrupts;

namespace Vmm.TestKit;

/// <summary>An interrupt wire that counts.</summary>
public sealed class FakeLine : IInterruptLine
{
    public bool IsAsserted { get; private set; }

    /// <summary>Changes from low to high.</summary>
    public int RisingEdges { get; private set; }

    public void SetLevel(bool asserted)
    {
        if (asserted && !IsAsserted) RisingEdges++;
        IsAsserted = asserted;
    }

    public void RestoreLevel(bool asserted) => IsAsserted = asserted;
}
