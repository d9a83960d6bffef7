namespace Vmm.Core.Interrupts;

/// <summary>Lets several devices drive one wire: it is asserted while any of them asserts it. Thread-safe.</summary>
public sealed class SharedLine(IInterruptLine target)
{
    private readonly Lock _gate = new();
    private int _asserted;

    /// <summary>A new input of the wire.</summary>
    public IInterruptLine NewInput() => new Input(this);

    private sealed class Input(SharedLine owner) : IInterruptLine
    {
        public bool IsAsserted { get; private set; }

        public void SetLevel(bool asserted)
        {
            lock (owner._gate)
            {
                if (Change(asserted)) owner.Drive(restore: false);
            }
        }

        public void RestoreLevel(bool asserted)
        {
            lock (owner._gate)
            {
                if (Change(asserted)) owner.Drive(restore: true);
            }
        }

        private bool Change(bool asserted)
        {
            if (IsAsserted == asserted) return false;
            IsAsserted = asserted;
            owner._asserted += asserted ? 1 : -1;
            return true;
        }
    }

    private void Drive(bool restore)
    {
        if (restore) target.RestoreLevel(_asserted != 0);
        else target.SetLevel(_asserted != 0);
    }
}
