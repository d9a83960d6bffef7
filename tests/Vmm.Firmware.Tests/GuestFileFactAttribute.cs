namespace Vmm.Firmware.Tests;

/// <summary>A fact that needs a file of out/guests.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GuestFileFactAttribute : FactAttribute
{
    public GuestFileFactAttribute(string name)
    {
        if (Guests.Find(name) is null) Skip = $"out/guests/{name} is absent; examples/quickstart.sh fetches it";
    }
}
